const units = ["bytes", "kB", "MB", "GB", "TB"];

/** A number of bytes for people: 1234567 is "1.2 MB". */
export function formatBytes(bytes: number): string {
  let unit = 0;
  for (; bytes >= 999.95 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`;
}
