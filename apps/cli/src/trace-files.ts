/** The two files of `veridraft trace`, JSON objects a line: prompts in, traces out. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { parseLines, resumeLines } from "./json-lines.ts";

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
export function readTraces(path: string): Promise<TraceLine[]> {
  return resumeLines(path, traceLine);
}
