/**
 * Puts a drafter and a verifier through what "lossless" promises, on the model at hand.
 *
 * greedy: the text is that of plain decoding. seeded: so it is for every seed, where the coupling is seeded.
 * law: every token of sampled texts is placed in the target's own law given what stands before it, u = P(likelier tokens) + v P(tokens as likely) with
 * v uniform; u is uniform exactly where the text has the target's law (probability integral transform), at whatever vocabulary. A chi-square over 20
 * equal bins decides. log-probs: those reported with drafts are those of scoring the text.
 */
import {
  createRng,
  type Distribution,
  type LanguageModel,
  logProbOf,
  processLogits,
  probabilityOf,
  resolveSampling,
  row,
  type RngKey,
  type Sampling,
  type TreeSequence,
} from "@veridraft/core-probs";
import {
  type Drafter,
  generate,
  type GenerateOptions,
  type Summary,
  type TokenLogProb,
} from "@veridraft/spec-decoding";

const bins = 20;
import { finish } from "./finish.ts";

/** Tokens of one forward; bounds memory to so many rows of logits. */
const chunk = 64;
/** Wilson-Hilferty score of a chi-square value above which its p is below 1e-4. */
const mostScore = 3.72;
/** Of a reported log-probability; 0 where the engine is exact. */
const mostDifference = 1e-4;

/** What is checked: the target, and how it drafts. */
export interface Subject {
  readonly model: LanguageModel<TreeSequence>;
  readonly prompts: readonly ArrayLike<number>[];
  readonly draft: (
    sampling: Partial<Sampling>,
    coupling: NonNullable<GenerateOptions["coupling"]>,
  ) => Promise<Drafter>;
  /** Of the sampled texts. */
  readonly sampling: Partial<Sampling>;
  readonly options: Omit<GenerateOptions, "key" | "sampling" | "drafter">;
}

/** One property: what was found, and whether it holds. */
export interface Finding {
  readonly property: string;
  readonly found: string;
  readonly holds: boolean;
}

/** Checks all properties. @param onProgress Called with what is done. */
export async function checkLossless(
  subject: Subject,
  onProgress: (done: string) => void = () => {},
): Promise<Finding[]> {
  const findings = [await sameTexts("greedy", subject, { sampling: {} }, onProgress)];
  if ((subject.options.coupling ?? "seeded") === "seeded") {
    const { sampling } = subject;
    findings.push(await sameTexts("seeded", subject, { sampling }, onProgress));
  }
  findings.push(...(await laws(subject, onProgress)));
  return findings;
}

async function sameTexts(
  property: string,
  subject: Subject,
  { sampling }: { readonly sampling: Partial<Sampling> },
  onProgress: (done: string) => void,
): Promise<Finding> {
  const { prompts } = subject;
  let equal = 0;
  let accepted = 0;
  for (const [i, prompt] of prompts.entries()) {
    const drafted = await text(subject, prompt, sampling, createRng(i));
    const plain = await text(subject, prompt, sampling, createRng(i), null);
    if (drafted.summary.ids.join() === plain.summary.ids.join()) equal++;
    accepted += drafted.summary.statistics.accepted;
    onProgress(`${property}: ${i + 1} of ${prompts.length} texts`);
  }
  const found = `${equal} of ${prompts.length} texts are those of plain decoding, ${accepted} drafts accepted`;
  return { property, found, holds: equal === prompts.length };
}

async function laws(subject: Subject, onProgress: (done: string) => void): Promise<Finding[]> {
  const { model, prompts } = subject;
  const sampling = resolveSampling(subject.sampling);
  const counts = new Float64Array(bins);
  const noise = createRng(prompts.length);
  let tokens = 0;
  let accepted = 0;
  let largest = 0;
  for (const [i, prompt] of prompts.entries()) {
    const { summary, logProbs } = await text(subject, prompt, sampling, createRng(1000 + i));
    accepted += summary.statistics.accepted;
    const ids = [...Array.from(prompt), ...summary.ids];
    if (summary.ids.length === 0) continue;
    await eachLogits(model, ids, prompt.length, (logits, at) => {
      const token = ids[at];
      const { raw } = logProbs[at - prompt.length];
      largest = Math.max(largest, Math.abs(raw - logProbOf(logits, token)));
      const law = processLogits(logits, sampling, ids.slice(0, at));
      const u = placeOf(token, law, noise.at(tokens++, "accept").uniform());
      counts[Math.min(bins - 1, Math.floor(u * bins))]++;
    });
    onProgress(`law: ${i + 1} of ${prompts.length} texts`);
  }
  const score = chiSquareScore(counts, tokens);
  return [
    {
      property: "law",
      found: `score ${score.toFixed(2)} of at most ${mostScore} over ${tokens} tokens of ${model.vocabSize}, ${accepted} drafts accepted`,
      holds: score <= mostScore,
    },
    {
      property: "log-probs",
      found: `largest difference ${largest.toExponential(1)} of at most ${mostDifference}`,
      holds: largest <= mostDifference,
    },
  ];
}

/** A text of a seed. @param drafter Absent: the subject's; null: none. */
async function text(
  { model, options, draft }: Subject,
  prompt: ArrayLike<number>,
  sampling: Partial<Sampling>,
  key: RngKey,
  drafter?: null,
): Promise<{ readonly summary: Summary; readonly logProbs: readonly TokenLogProb[] }> {
  const steps = generate(model, prompt, {
    ...options,
    key,
    sampling,
    drafter: drafter === null ? null : await draft(sampling, options.coupling ?? "seeded"),
    logProbs: 0,
  });
  const logProbs: TokenLogProb[] = [];
  const summary = await finish(steps, (step) => logProbs.push(...(step.logProbs ?? [])));
  return { summary, logProbs };
}

/** Calls back with the target's logits before each id from `first` on, and its place. */
async function eachLogits(
  model: LanguageModel,
  ids: readonly number[],
  first: number,
  onLogits: (logits: Float32Array, at: number) => void,
): Promise<void> {
  const sequence = await model.open();
  try {
    if (first > 1) {
      await sequence.forward(ids.slice(0, first - 1), { rows: "last" });
      sequence.commit(first - 1);
    }
    // The last id is looked at, not read.
    for (let at = first; at < ids.length; at += chunk) {
      const read = ids.slice(at - 1, Math.min(at - 1 + chunk, ids.length - 1));
      // oxlint-disable-next-line no-await-in-loop -- a chunk follows the one before it
      const logits = await sequence.forward(read);
      for (let i = 0; i < read.length; i++) onLogits(row(logits, i), at + i);
      sequence.commit(read.length);
    }
  } finally {
    sequence.dispose();
  }
}

/** Where a token stands in its law, likeliest first, in [0, 1]; 1 for one that the law forbids. @param v In [0, 1), places equal ones. */
export function placeOf(token: number, law: Distribution, v: number): number {
  const own = probabilityOf(law, token);
  if (own === 0) return 1;
  let likelier = 0;
  let equal = 0;
  for (const p of law.probs) {
    if (p > own) likelier += p;
    else if (p === own) equal += p;
  }
  return likelier + v * equal;
}

/** Wilson-Hilferty: how many standard deviations a chi-square value over equal bins is above what chance gives. */
export function chiSquareScore(counts: ArrayLike<number>, total: number): number {
  const expected = total / counts.length;
  const value = Array.from(counts).reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  const degrees = counts.length - 1;
  const spread = 2 / (9 * degrees);
  return (Math.cbrt(value / degrees) - (1 - spread)) / Math.sqrt(spread);
}
