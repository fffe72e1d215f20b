/**
 * RSD: the teacher proposes each token, the student keeps it where it finds it likely enough: traces with the teacher's guidance that a small
 * student can follow.
 *
 * Kim, Seo, Lee, "In Their Own Words: Reasoning Traces Tailored for Small Models Make Them Better Reasoners", 2025, arXiv:2509.22230.
 *
 * q = the teacher's processed law cut to its K likeliest tokens, without those that mean another token to the student, renormalized; p = the student's,
 * cut to its K likeliest, not renormalized. Up to R times: x ~ q, kept if p(x) >= p_th. None kept: fallback, x ~ p renormalized.
 * With A the set of kept tokens and a = q(A): P(x) = q(x) 1_A(x) (1 - (1 - a)^R) / a + (1 - a)^R p(x) / p(K).
 * This is no verifier: the text has the law of neither model. Tokens that fell back may be below p_th.
 *
 * Either model is asked for its laws only, so that it may be a server.
 *
 * Departures: `threshold` may be tested on the student's raw law, which newer engines report, where the authors' reports the processed one. What
 * students learn from the traces: experiments/rsd.ts.
 */
import {
  type Distribution,
  InvalidArgumentError,
  probabilityOf,
  resolveSampling,
  type Rng,
  type RngKey,
  sample,
  type Sampling,
} from "@veridraft/core-probs";
import { z } from "zod";
import { parseConfig } from "./config.ts";
import { headOf, type LawHead, type LawModel, type LawSequence } from "./law-model.ts";

/** Options of RSD; the defaults are the paper's. */
export const rsdConfig = z.strictObject({
  threshold: z
    .number()
    .min(0)
    .default(0.01)
    .describe("p_th: what the student must give a proposed token."),
  trials: z.int().min(1).default(5).describe("R: proposals a position, with replacement."),
  topK: z.int().min(1).default(20).describe("K: tokens of either law that count."),
  acceptOn: z
    .enum(["processed", "raw"])
    .default("processed")
    .describe("Whether the student's truncated or own law is tested."),
});
export type RsdConfig = z.input<typeof rsdConfig>;

/** A token and how it came about. */
export interface RsdToken {
  readonly id: number;
  /** Whether no proposal was kept, so that the student chose. */
  readonly fallback: boolean;
  /** The student's probability, of the law that is tested; and the teacher's, after its cut. */
  readonly student: number;
  readonly teacher: number;
}

/** The laws of one position. */
export interface RsdLaws {
  /** q; null where the teacher has no token that the student knows. */
  readonly proposal: Distribution | null;
  /** The student's processed law cut to K tokens, renormalized. */
  readonly fallback: Distribution;
  /** p, as tested: 0 for tokens that are not among the K likeliest of the processed law. */
  student(id: number): number;
}

/**
 * Cuts the laws of a position, which may be heads of at least `topK` tokens.
 *
 * @param raw The student's own law; read where `acceptOn` is "raw". @param foreign Ids that mean another token to the teacher.
 */
export function rsdLaws(
  teacher: Distribution,
  student: Distribution,
  raw: Distribution,
  config: RsdConfig = {},
  foreign: ReadonlySet<number> = new Set(),
): RsdLaws {
  const { topK, acceptOn } = parseConfig("rsdLaws", rsdConfig, config);
  const tested = headOf(acceptOn === "raw" ? raw : student, topK);
  return {
    proposal: normalized(headOf(teacher, topK), foreign),
    fallback: normalized(headOf(student, topK)) ?? student,
    student: (id) => probabilityOf(tested, id),
  };
}

/** The head without `left` as a law; null where nothing remains. */
function normalized(
  { ids, probs }: LawHead,
  left: ReadonlySet<number> = new Set(),
): Distribution | null {
  const kept = probs.map((mass, j) => (left.has(ids[j]) ? 0 : mass));
  const sum = kept.reduce((a, b) => a + b, 0);
  return sum > 0 ? { ids, probs: kept.map((mass) => mass / sum) } : null;
}

/** Chooses the token of one position. */
export function rsdStep(laws: RsdLaws, config: RsdConfig, rng: Rng): RsdToken {
  const { threshold, trials } = parseConfig("rsdStep", rsdConfig, config);
  const { proposal, fallback } = laws;
  const token = (id: number, fell: boolean): RsdToken => ({
    id,
    fallback: fell,
    student: laws.student(id),
    teacher: proposal ? probabilityOf(proposal, id) : 0,
  });
  if (proposal) {
    for (let trial = 0; trial < trials; trial++) {
      const id = sample(proposal, rng);
      if (laws.student(id) >= threshold && laws.student(id) > 0) return token(id, false);
    }
  }
  return token(sample(fallback, rng), true);
}

/** [vocabSize] the law of {@link rsdStep}, in closed form, and how often it falls back. */
export function rsdLaw(
  { proposal, fallback, student }: RsdLaws,
  vocabSize: number,
  config: RsdConfig = {},
): { probs: Float64Array; fallbackRate: number } {
  const { threshold, trials } = parseConfig("rsdLaw", rsdConfig, config);
  const kept = new Float64Array(vocabSize);
  let share = 0;
  for (let id = 0; id < vocabSize; id++) {
    const likely = student(id) >= threshold && student(id) > 0;
    if (proposal && likely) kept[id] = probabilityOf(proposal, id);
    share += kept[id];
  }
  const fallbackRate = (1 - Math.min(1, share)) ** trials;
  const probs = kept.map(
    (mass, id) =>
      (share > 0 ? (mass * (1 - fallbackRate)) / share : 0) +
      fallbackRate * probabilityOf(fallback, id),
  );
  return { probs, fallbackRate };
}

/** A text and how it came about. */
export interface RsdTrace {
  readonly tokens: readonly RsdToken[];
  readonly ids: readonly number[];
  /** Whether a stop id ended it; the id is the last of `ids`. */
  readonly stopped: boolean;
  readonly fallbackRate: number;
}

export interface RsdOptions extends RsdConfig {
  readonly key: RngKey;
  /** Of both models. Default temperature .7, topP .95. */
  readonly sampling?: Partial<Sampling>;
  /** Default 7168. */
  readonly maxTokens?: number;
  /** Ids of the student that end the trace. Default none. */
  readonly stopIds?: readonly number[];
  /** Ids of the student that mean something else to the teacher, with what the teacher reads instead. Default none: one vocabulary. */
  readonly teacherIds?: ReadonlyMap<number, readonly number[]>;
  readonly signal?: AbortSignal;
}

/**
 * Generates one trace, with both models at work at the same time. The prompt is the student's.
 *
 * @param teacher In this process (`createLawModel`) or behind a wire. @param student Likewise.
 * @throws InvalidArgumentError for an empty prompt or options out of range; ContextLengthError where a context is too short; whatever keeps a model from
 * answering; the signal's reason where it aborts.
 */
export async function rsdTrace(
  teacher: LawModel,
  student: LawModel,
  prompt: ArrayLike<number>,
  options: RsdOptions,
): Promise<RsdTrace> {
  const { key, maxTokens = 7168, stopIds = [], teacherIds = new Map(), signal } = options;
  const { threshold, trials, topK, acceptOn } = options;
  const config = parseConfig("rsdTrace", rsdConfig, { threshold, trials, topK, acceptOn });
  if (prompt.length === 0) throw new InvalidArgumentError("rsdTrace: the prompt has no ids");
  const sampling = resolveSampling(options.sampling ?? { temperature: 0.7, topP: 0.95 });
  const foreign: ReadonlySet<number> = new Set(teacherIds.keys());
  const text = Array.from(prompt);
  const read = (id: number): readonly number[] => teacherIds.get(id) ?? [id];
  const taught = text.flatMap(read);
  const tokens: RsdToken[] = [];
  const opened: LawSequence[] = [];
  let stopped = false;
  try {
    for (const model of [teacher, student]) {
      // oxlint-disable-next-line no-await-in-loop -- what was opened must be known where the next one fails
      opened.push(await model.openLaws({ sampling, top: config.topK }));
    }
    const [ofTeacher, ofStudent] = opened;
    while (!stopped && tokens.length < maxTokens) {
      signal?.throwIfAborted();
      const [q, p] = await Promise.all([
        ofTeacher.after(taught, signal),
        ofStudent.after(text, signal),
      ]);
      const laws = rsdLaws(q.processed, p.processed, p.raw, config, foreign);
      const token = rsdStep(laws, config, key.at(text.length, "sample"));
      tokens.push(token);
      text.push(token.id);
      taught.push(...read(token.id));
      stopped = stopIds.includes(token.id);
    }
  } finally {
    for (const sequence of opened) sequence.dispose();
  }
  const fell = tokens.filter(({ fallback }) => fallback).length;
  return {
    tokens,
    ids: tokens.map(({ id }) => id),
    stopped,
    fallbackRate: tokens.length > 0 ? fell / tokens.length : 0,
  };
}
