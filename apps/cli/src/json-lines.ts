/** Files of a JSON object a line, to which a run adds lines and with which the next one goes on. */
import { readFile, truncate } from "node:fs/promises";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { z } from "zod";

/** The objects of a text; empty lines are left out. @throws InvalidArgumentError that names the file and the line of what is none. */
export function parseLines<S extends z.ZodType>(
  path: string,
  text: string,
  schema: S,
): z.output<S>[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    try {
      return [schema.parse(JSON.parse(line))];
    } catch (cause) {
      const [issue] = cause instanceof z.ZodError ? cause.issues : [];
      const reason = issue ? [...issue.path, issue.message].join(": ") : (cause as Error).message;
      throw new InvalidArgumentError(`${path}:${i + 1}: ${reason}`, { cause });
    }
  });
}

/** The objects of a file, none where there is no file. A last line that was cut short is taken off the file. @throws as {@link parseLines}. */
export async function resumeLines<S extends z.ZodType>(
  path: string,
  schema: S,
): Promise<z.output<S>[]> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  });
  const end = bytes.lastIndexOf("\n") + 1;
  if (end < bytes.length) await truncate(path, end);
  return parseLines(path, bytes.subarray(0, end).toString("utf8"), schema);
}
