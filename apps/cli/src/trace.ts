/**
 * Traces for a small student: a teacher proposes, the student decides, and every trace is a line of a file that the next run goes on with.
 *
 * Either model is a file of this machine or a verifier server. The seed of a trace follows from --seed, the prompt and the number of its sample, so
 * that a trace is the same wherever and whenever it is made, and a line that is there tells what need not be made again.
 */
import { createHash } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { ContextLengthError, createRng, InvalidArgumentError } from "@veridraft/core-probs";
import { isRpcError } from "@veridraft/rpc";
import {
  boxedAnswer,
  encodePrompt,
  judgeTrace,
  rsdConfig,
  type RsdTrace,
  rsdTrace,
} from "@veridraft/spec-decoding";
import { z } from "zod";
import { generateOptions, jsonOption, modelOptions } from "./options.ts";
import { readPrompts, readTraces, type TraceLine, type TracePrompt } from "./trace-files.ts";
import { openTracers, type Tracers } from "./tracers.ts";

const model = (role: string) =>
  z
    .string()
    .min(1)
    .optional()
    .describe(`Who ${role}: host:port of a verifier server, or a model as in --model; needed.`);

export const traceOptions = z.strictObject({
  teacher: model("proposes"),
  student: model("decides"),
  tokenizer: z
    .string()
    .min(1)
    .optional()
    .describe("Model whose tokenizer and chat template both have; needed where both are servers."),
  weights: modelOptions.shape.weights,
  device: modelOptions.shape.device,
  prompts: z
    .string()
    .min(1)
    .optional()
    .describe("File of a JSON object a line: prompt and, where known, answer; needed."),
  out: z.string().min(1).optional().describe("File that a line a trace is added to; needed."),
  samples: z.int().min(1).default(1).describe("Traces of a prompt; the paper takes 16."),
  maxTokens: z.int().min(1).default(7168).describe("Most tokens of a trace."),
  temperature: z.number().min(0).default(0.7).describe("Of both models."),
  topP: generateOptions.shape.topP.unwrap().default(0.95).describe("Mass that is kept of either."),
  ...rsdConfig.shape,
  maxFallback: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Largest share of tokens that the student chose in a trace that counts."),
  seed: z.int().min(0).default(0).describe("Same seed, same traces."),
  raw: generateOptions.shape.raw,
  json: jsonOption,
});
type TraceFlags = z.output<typeof traceOptions>;

/** How many traces there are, and what became of them. */
interface TraceStatistics {
  readonly traces: number;
  readonly valid: number;
  readonly endless: number;
  readonly fallback: number;
  readonly wrong: number;
  /** Prompts with a valid trace, of all. */
  readonly solved: number;
  readonly prompts: number;
  readonly tokens: number;
  /** Share of all tokens that the student chose. */
  readonly fallbackRate: number;
}

/** `veridraft trace`. */
export async function trace(flags: TraceFlags): Promise<void> {
  const { out, samples, seed, json } = flags;
  const [teacher, student] = [needed("teacher", flags), needed("student", flags)];
  const prompts = await readPrompts(needed("prompts", flags));
  const file = needed("out", flags);
  const lines = await readTraces(file);
  const done = new Set(lines.map((line) => line.seed));
  const wanted = prompts.flatMap((prompt) =>
    Array.from({ length: samples }, (_, sample) => ({
      prompt,
      seed: seedOf(seed, prompt.prompt, sample),
    })),
  );
  const missing = wanted.filter((each) => !done.has(each.seed));
  if (missing.length > 0) {
    const tracers = await openTracers({ ...flags, teacher, student });
    try {
      for (const [i, { prompt, seed: own }] of missing.entries()) {
        const line = await makeTrace(tracers, prompt, own, flags);
        await appendFile(file, `${JSON.stringify(line)}\n`);
        lines.push(line);
        const length = `${line.ids.length} tokens, ${line.fault ?? "valid"}`;
        process.stderr.write(`trace ${i + 1} of ${missing.length}: ${length}\n`);
      }
    } catch (error) {
      if (!isRpcError(error)) throw error;
      const kept = `${lines.length} traces are in ${out}, and the same command goes on from there`;
      throw new Error(`${error.message}; ${kept}`, { cause: error });
    } finally {
      await tracers.dispose();
    }
  }
  const seeds = new Set(wanted.map((each) => each.seed));
  const statistics = summarize(
    lines.filter((line) => seeds.has(line.seed)),
    prompts,
  );
  process.stdout.write(`${json ? JSON.stringify(statistics) : report(statistics)}\n`);
}

function needed(name: "teacher" | "student" | "prompts" | "out", flags: TraceFlags): string {
  const value = flags[name];
  if (value !== undefined) return value;
  throw new InvalidArgumentError(`veridraft trace needs --${name}`);
}

/** 48 bits that depend on all three. */
function seedOf(seed: number, prompt: string, sample: number): number {
  const text = JSON.stringify([seed, prompt, sample]);
  return createHash("sha256").update(text).digest().readUIntBE(0, 6);
}

/** @throws ContextLengthError where a prompt leaves no room; what the models fail with. */
async function makeTrace(
  { teacher, student, tokenizer, chatTemplate, contextLength }: Tracers,
  { prompt, answer }: TracePrompt,
  seed: number,
  flags: TraceFlags,
): Promise<TraceLine> {
  const { threshold, trials, topK, acceptOn, temperature, topP, maxFallback, raw } = flags;
  const content = raw ? prompt : [{ role: "user" as const, content: prompt }];
  const ids = encodePrompt({ tokenizer, ...(chatTemplate && { chatTemplate }) }, content);
  const room = contextLength - ids.length;
  if (room < 1) {
    throw new ContextLengthError(
      `trace: a prompt of ${ids.length} tokens leaves no room in a context of ${contextLength}: ${JSON.stringify(prompt.slice(0, 40))}`,
    );
  }
  const made: RsdTrace = await rsdTrace(teacher, student, ids, {
    threshold,
    trials,
    topK,
    acceptOn,
    key: createRng(seed),
    sampling: { temperature, topP },
    maxTokens: Math.min(flags.maxTokens, room),
    stopIds: [...tokenizer.endIds],
  });
  const text = tokenizer.decode(made.ids.slice(0, made.stopped ? -1 : undefined));
  const right = (): boolean => answer === undefined || boxedAnswer(text) === answer;
  return {
    prompt,
    seed,
    text,
    ids: [...made.ids],
    fallback: made.tokens.map((token) => token.fallback),
    student: made.tokens.map((token) => token.student),
    teacher: made.tokens.map((token) => token.teacher),
    stopped: made.stopped,
    fallbackRate: made.fallbackRate,
    fault: judgeTrace(made, right, maxFallback),
  };
}

function summarize(lines: readonly TraceLine[], prompts: readonly TracePrompt[]): TraceStatistics {
  const count = (fault: TraceLine["fault"]): number =>
    lines.filter((line) => line.fault === fault).length;
  const valid = new Set(lines.filter(({ fault }) => fault === null).map(({ prompt }) => prompt));
  const tokens = lines.reduce((sum, { ids }) => sum + ids.length, 0);
  const fell = lines.reduce((sum, { fallback }) => sum + fallback.filter(Boolean).length, 0);
  return {
    traces: lines.length,
    valid: count(null),
    endless: count("endless"),
    fallback: count("fallback"),
    wrong: count("wrong"),
    solved: prompts.filter(({ prompt }) => valid.has(prompt)).length,
    prompts: prompts.length,
    tokens,
    fallbackRate: tokens > 0 ? fell / tokens : 0,
  };
}

function report(statistics: TraceStatistics): string {
  const { traces, valid, endless, fallback, wrong, solved, prompts, tokens } = statistics;
  return [
    `${valid} of ${traces} traces are valid; ${endless} did not end, ${fallback} fell back too often, ${wrong} have a wrong answer`,
    `${solved} of ${prompts} prompts have a valid trace`,
    `${tokens} tokens, ${(100 * statistics.fallbackRate).toFixed(1)} % chosen by the student`,
  ].join("\n");
}
