/** The two files of `veridraft trace`, JSON objects a line: prompts in, traces out. */
import { readFile, truncate } from "node:fs/promises";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { z } from "zod";

const tracePrompt = z.strictObject({
  prompt: z.string().min(1),
  /** What the last `\boxed{}` of a right trace holds; absent: every trace is right. */
  answer: z.string().optional(),
});
export type TracePrompt = z.output<typeof tracePrompt>;

const traceLine = z.strictObject({
  prompt: z.string(),
  seed: z.int().min(0),
  /** Without the token that ended it. */
  text: z.string(),
  ids: z.array(z.int().min(0)),
  /** For each id: whether the student chose it, and its probability in the law that the student is tested on and in the teacher's cut law. */
  fallback: z.array(z.boolean()),
  student: z.array(z.number()),
  teacher: z.array(z.number()),
  stopped: z.boolean(),
  fallbackRate: z.number(),
  /** Why it is not to be trained on; null where it is. */
  fault: z.enum(["endless", "fallback", "wrong"]).nullable(),
});
export type TraceLine = z.output<typeof traceLine>;

/** The prompts of a file; empty lines are left out. @throws InvalidArgumentError that names the file and the line of what is no prompt. */
export async function readPrompts(path: string): Promise<TracePrompt[]> {
  return parseLines(path, await readFile(path, "utf8"), tracePrompt);
}

/** The traces of a file, none where there is no file. A last line that was cut short is taken off the file. @throws as {@link readPrompts}. */
export async function readTraces(path: string): Promise<TraceLine[]> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  });
  const end = bytes.lastIndexOf("\n") + 1;
  if (end < bytes.length) await truncate(path, end);
  return parseLines(path, bytes.subarray(0, end).toString("utf8"), traceLine);
}

function parseLines<S extends z.ZodType>(path: string, text: string, schema: S): z.output<S>[] {
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
