/** The log of a training: a line of JSON for each step, in `log.jsonl`, and the curve of its losses, in `loss.svg`. */
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ModelFileError } from "@veridraft/core-probs";
import { type LossPoint, lossCurve } from "./loss-curve.ts";

/** Milliseconds. */
const writeInterval = 1000;

/** A line of the log. */
export interface LogEntry extends LossPoint {
  readonly seconds: number;
}

/** An open log. */
export interface TrainLog {
  /** Adds a line, which reaches the file within a second of steps. @throws ModelFileError where it cannot be written. */
  add(entry: LogEntry): Promise<void>;
  /** Writes all lines and the curve. @throws ModelFileError where they cannot be written. */
  flush(): Promise<void>;
}

/**
 * Opens the log of a folder, which is made where it is missing. Lines after `step` are of a run that was cut off, and are dropped.
 *
 * @throws ModelFileError where the file cannot be read or written.
 */
export async function openLog(folder: string, step: number): Promise<TrainLog> {
  const path = join(folder, "log.jsonl");
  const entries: LogEntry[] = [];
  const guard = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (cause) {
      throw new ModelFileError(
        `train: the log in ${folder} cannot be kept (${(cause as Error).message}); the last checkpoint is untouched: mend this and go on from it`,
        { cause },
      );
    }
  };
  await guard(async () => {
    await mkdir(folder, { recursive: true });
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    // The last line ends in a line feed, or it was cut off.
    for (const line of text.split("\n").slice(0, -1)) {
      const entry: LogEntry = JSON.parse(line);
      if (entry.step <= step) entries.push(entry);
    }
    await writeFile(path, entries.map(lineOf).join(""));
  });
  let waiting: LogEntry[] = [];
  let written = performance.now();
  const write = async (): Promise<void> => {
    const lines = waiting.map(lineOf).join("");
    waiting = [];
    written = performance.now();
    await appendFile(path, lines);
  };
  return {
    async add(entry) {
      entries.push(entry);
      waiting.push(entry);
      if (performance.now() - written > writeInterval) await guard(write);
    },
    flush: () =>
      guard(async () => {
        await write();
        await writeFile(join(folder, "loss.svg"), lossCurve(entries));
      }),
  };
}

function lineOf(entry: LogEntry): string {
  return `${JSON.stringify(entry)}\n`;
}
