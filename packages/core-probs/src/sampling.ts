import type { Distribution } from "./distribution.ts";
import { DegenerateDistributionError, InvalidArgumentError } from "./errors.ts";
import { logFloat } from "./fast-math.ts";
import type { Rng } from "./rng.ts";
import { topK } from "./top-k.ts";

/**
 * Draws a token id by the inverse of the cumulative distribution.
 *
 * @throws DegenerateDistributionError where no probability is positive.
 */
export function sample(distribution: Distribution, rng: Rng): number {
  const j = rng.categorical(distribution.probs);
  return distribution.ids === null ? j : distribution.ids[j];
}

/**
 * Draws a token id as the argmax of ln p(id) + noise(id): for one stream, laws that are alike give the same token more often than any draw by the
 * cumulative distribution would.
 *
 * @throws DegenerateDistributionError where no probability is positive.
 */
export function sampleGumbel(distribution: Distribution, rng: Rng): number {
  const { ids, probs } = distribution;
  const logProbs = new Float32Array(probs.length);
  for (let j = 0; j < probs.length; j++) logProbs[j] = logFloat(probs[j]);
  return rng.gumbel(logProbs, ids);
}

/** The probability of a token id; 0 for one outside the support. */
export function probabilityOf(distribution: Distribution, id: number): number {
  const { ids, probs } = distribution;
  if (ids === null) return id >= 0 && id < probs.length ? probs[id] : 0;
  let low = 0;
  let high = ids.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ids[middle] < id) low = middle + 1;
    else high = middle;
  }
  return ids[low] === id ? probs[low] : 0;
}

/** Natural log of {@link probabilityOf}; -Infinity outside the support. */
export function logProbabilityOf(distribution: Distribution, id: number): number {
  return Math.log(probabilityOf(distribution, id));
}

/**
 * The law of the `size` likeliest tokens (ties: lowest ids), renormalized; a sparse law of no more tokens comes back as it is.
 *
 * @throws InvalidArgumentError where size is below 1; DegenerateDistributionError where no probability is positive.
 */
export function truncateLaw(distribution: Distribution, size: number): Distribution {
  if (!(size >= 1)) {
    throw new InvalidArgumentError(`truncateLaw: size must be at least 1, got ${size}`);
  }
  const { ids, probs } = distribution;
  if (ids !== null && ids.length <= size) return distribution;
  const chosen = topK(probs, size).toSorted();
  let sum = 0;
  for (const j of chosen) sum += probs[j];
  if (!(sum > 0)) {
    throw new DegenerateDistributionError(
      `truncateLaw: none of ${probs.length} probabilities is positive`,
    );
  }
  const kept = chosen.filter((j) => probs[j] > 0);
  return {
    ids: ids === null ? kept : kept.map((j) => ids[j]),
    probs: Float32Array.from(kept, (j) => probs[j] / sum),
  };
}
