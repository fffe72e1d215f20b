import { formatBytes } from "./format-bytes.ts";

/** Milliseconds between two reports: a terminal gets one line that is written over, anything else a line each. */
const intervals = { terminal: 200, other: 5000 };

/** Reports on stderr how far a download is; called with the bytes that are there. */
export function progressLine(total: number): (done: number) => void {
  const { isTTY } = process.stderr;
  const interval = isTTY ? intervals.terminal : intervals.other;
  let start: { readonly time: number; readonly done: number } | undefined;
  let shown = 0;
  return (done) => {
    const now = performance.now();
    start ??= { time: now, done };
    if (now - shown < interval && !(isTTY && done === total)) return;
    shown = now;
    const rate = ((done - start.done) * 1000) / Math.max(now - start.time, 1);
    const parts = [
      `${formatBytes(done)} of ${formatBytes(total)}`,
      `${Math.floor((100 * done) / total)} %`,
      `${formatBytes(Math.round(rate))}/s`,
      ...(rate > 0 ? [`${formatSeconds((total - done) / rate)} left`] : []),
    ];
    // Back to the start of the line, so that whatever comes next is written over it.
    const end = isTTY && done < total ? "\x1b[K\r" : "\n";
    process.stderr.write(`${parts.join(", ")}${end}`);
  };
}

/** 3700 is "1:01:40". */
function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  const fields = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [first, ...others] = fields[0] > 0 ? fields : fields.slice(1);
  return [first, ...others.map((field) => String(field).padStart(2, "0"))].join(":");
}
