/** The piece of a token in quotes, to be read: as JSON, but bytes that are no character keep their one backslash, \xE2. */
export function quotePiece(piece: string): string {
  return JSON.stringify(piece).replaceAll(String.raw`\\x`, String.raw`\x`);
}
