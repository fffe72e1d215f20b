/**
 * From the logits of a model to the law a token is drawn from.
 *
 * Meaning and order are those of Hugging Face Transformers: repetition penalty (then frequency and presence penalty, which it lacks, as OpenAI
 * defines them), temperature, topK, topP, minP, typical; each works on what the one before it left. llama.cpp applies the temperature last, so
 * that its truncations keep other sets at temperatures other than 1. Nothing here sorts the vocabulary.
 */
import type { Distribution } from "./distribution.ts";
import { DegenerateDistributionError, InvalidArgumentError } from "./errors.ts";
import { argmax, softmax } from "./kernels.ts";
import { topK } from "./top-k.ts";
import { type Candidates, candidates, keepMinP, keepTopP, keepTypical } from "./truncation.ts";

/** How the next token is drawn. */
export interface Sampling {
  /** At least 0; 0 is greedy decoding. */
  readonly temperature: number;
  /** Keeps the k likeliest tokens (ties: lowest ids); 0 keeps all. */
  readonly topK: number;
  /** In (0, 1]: keeps the smallest set of likeliest tokens that holds this mass; 1 keeps all. */
  readonly topP: number;
  /** In [0, 1): drops tokens below this fraction of the largest probability; 0 keeps all. */
  readonly minP: number;
  /** In (0, 1]: keeps the tokens of this mass whose surprise is nearest the entropy (all of equal distance at the border); 1 keeps all. */
  readonly typicalP: number;
  /** Above 0: divides positive and multiplies negative logits of tokens seen in prompt or text; 1 is none. */
  readonly repetitionPenalty: number;
  /** Subtracted from a token's logit once for each time it was seen in prompt or text; 0 is none. */
  readonly frequencyPenalty: number;
  /** Subtracted from the logit of each token seen in prompt or text; 0 is none. */
  readonly presencePenalty: number;
}

/** Greedy decoding, no truncation, no penalty. */
export const defaultSampling: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
};

/**
 * A whole Sampling from the fields that differ from {@link defaultSampling}; a field that is undefined counts as absent.
 *
 * @throws InvalidArgumentError as {@link checkSampling}.
 */
export function resolveSampling(partial: Partial<Sampling> = {}): Sampling {
  const given = Object.entries(partial).filter(([, value]) => value !== undefined);
  const sampling: Sampling = { ...defaultSampling, ...Object.fromEntries(given) };
  checkSampling(sampling);
  return sampling;
}

/**
 * Checks every field against its documented range.
 *
 * @throws InvalidArgumentError with the field, its bound and its value.
 */
export function checkSampling(sampling: Sampling): void {
  const { temperature, topP, minP, typicalP, repetitionPenalty } = sampling;
  check(temperature >= 0 && temperature < Infinity, "temperature", "at least 0", temperature);
  const whole = Number.isInteger(sampling.topK) && sampling.topK >= 0;
  check(whole, "topK", "an integer of at least 0", sampling.topK);
  check(topP > 0 && topP <= 1, "topP", "in (0, 1]", topP);
  check(minP >= 0 && minP < 1, "minP", "in [0, 1)", minP);
  check(typicalP > 0 && typicalP <= 1, "typicalP", "in (0, 1]", typicalP);
  const positive = repetitionPenalty > 0 && repetitionPenalty < Infinity;
  check(positive, "repetitionPenalty", "above 0", repetitionPenalty);
  for (const name of ["frequencyPenalty", "presencePenalty"] as const) {
    check(Number.isFinite(sampling[name]), name, "finite", sampling[name]);
  }
}

function check(valid: boolean, field: string, bound: string, value: number): void {
  if (!valid) throw new InvalidArgumentError(`sampling: ${field} must be ${bound}, got ${value}`);
}

/** Whether the law of the next token depends on which tokens came before, beyond the logits. */
export function hasPenalties(sampling: Sampling): boolean {
  return (
    sampling.repetitionPenalty !== 1 ||
    sampling.frequencyPenalty !== 0 ||
    sampling.presencePenalty !== 0
  );
}

/**
 * The law that the next token is drawn from. Greedy: all mass on the argmax after penalties (ties: lowest id). With a truncation: sparse.
 * Otherwise dense. `logits` is not modified.
 *
 * @param sampling As {@link checkSampling} accepts it. @param ids The tokens so far, prompt and text; read only where a penalty is on.
 * @throws DegenerateDistributionError where all logits are masked or one is NaN.
 * @example processLogits(Float32Array.of(1, 3, 2), defaultSampling, []) // { ids: [1], probs: [1] }
 */
export function processLogits(
  logits: Float32Array,
  sampling: Sampling,
  ids: ArrayLike<number>,
): Distribution {
  const scores = hasPenalties(sampling) ? penalize(logits, sampling, ids) : logits;
  const best = argmax(scores);
  if (!(scores[best] > -Infinity)) throw degenerate(logits.length);
  if (sampling.temperature === 0) return { ids: Int32Array.of(best), probs: Float32Array.of(1) };
  if (
    sampling.topK === 0 &&
    sampling.topP === 1 &&
    sampling.minP === 0 &&
    sampling.typicalP === 1
  ) {
    return { ids: null, probs: softmax(scores, sampling.temperature) };
  }
  const chosen = sampling.topK > 0 ? topK(scores, sampling.topK).toSorted() : null;
  const { temperature, topP } = sampling;
  const all = candidates(scores, scores[best], temperature, chosen, topP);
  if (!(all.total > 0)) throw degenerate(logits.length);
  let kept: Candidates = topP < 1 ? keepTopP(all, topP, all.total) : all;
  if (sampling.minP > 0) kept = keepMinP(kept, sampling.minP);
  if (sampling.typicalP < 1) kept = keepTypical(kept, sampling.typicalP);
  let sum = 0;
  for (const mass of kept.masses) sum += mass;
  return { ids: kept.ids, probs: Float32Array.from(kept.masses, (mass) => mass / sum) };
}

function degenerate(count: number): DegenerateDistributionError {
  return new DegenerateDistributionError(
    `processLogits: no mass in ${count} logits: all are masked, or one is NaN`,
  );
}

/**
 * A copy of `logits` with the penalties of `sampling` for the tokens `ids`: first the repetition penalty, then frequency and presence.
 *
 * @example penalize(Float32Array.of(2, -2, 2), { ...defaultSampling, repetitionPenalty: 2 }, [0, 1]) // [1, -4, 2]
 */
export function penalize(
  logits: Float32Array,
  sampling: Sampling,
  ids: ArrayLike<number>,
): Float32Array {
  const { repetitionPenalty, frequencyPenalty, presencePenalty } = sampling;
  const counts = new Map<number, number>();
  for (let i = 0; i < ids.length; i++) counts.set(ids[i], (counts.get(ids[i]) ?? 0) + 1);
  const scores = logits.slice();
  for (const [id, count] of counts) {
    const logit = logits[id];
    const scaled = logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty;
    scores[id] = scaled - count * frequencyPenalty - presencePenalty;
  }
  return scores;
}
