/**
 * Random streams are explicit and counter-based: a draw is a function of (seed, position, purpose, index), so the same seed gives the same text
 * whatever the drafter, the draft length or the batch.
 *
 * Words come from Philox4x32-10 with the seed as key and the counter (block, position, purpose, 0). Word n of a stream is lane n % 4 of block
 * n / 4; token noise has blocks of its own (see {@link TokenNoise}). Both layouts are pinned by golden vectors: changing them changes the text of
 * every seed.
 */
import { DegenerateDistributionError, InvalidArgumentError } from "./errors.ts";
import { argmax } from "./kernels.ts";
import { philox, roundKeys } from "./philox.ts";
import { denseGumbel, sparseGumbel, TokenNoise } from "./token-noise.ts";

/** What a draw decides. Streams of different purposes are independent. */
export type Purpose = "sample" | "draft" | "accept";

/** A stream of draws, named by their meaning so that `exactLaw` can enumerate them. */
export interface Rng {
  /** Uniform on [0, 1), a multiple of 2^-32. */
  uniform(): number;
  /** True with probability `p`; p <= 0 is never, p >= 1 is always. */
  bernoulli(p: number): boolean;
  /** Index j with probability weights[j] / sum(weights). @throws DegenerateDistributionError where no weight is positive. */
  categorical(weights: ArrayLike<number>): number;
  /**
   * The id that maximizes logits[j] + g(id), where g is this stream's standard Gumbel noise for the token id: a draw from softmax(logits)
   * that two models with similar logits make alike, because the noise belongs to the id and not to the order of draws.
   *
   * @param ids ids[j] is the token id of logits[j]; null when logits are indexed by id. @returns a token id.
   */
  gumbel(logits: ArrayLike<number>, ids: ArrayLike<number> | null): number;
}

/** The streams of one generation. */
export interface RngKey {
  /** The stream for the token at an absolute position (0 = first token of the prompt). Equal arguments give equal streams. */
  at(position: number, purpose: Purpose): Rng;
}

const purposes = { sample: 1, draft: 2, accept: 3 } as const satisfies Record<Purpose, number>;

/**
 * The streams of a seed.
 *
 * @param seed An integer in [0, 2^64).
 * @throws InvalidArgumentError for any other seed.
 * @example createRng(1).at(0, "sample").uniform() // 0.027452234644442797
 */
export function createRng(seed: bigint | number): RngKey {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new InvalidArgumentError(
      `createRng: a number as seed must be a safe integer, got ${seed}`,
    );
  }
  const wide = BigInt(seed);
  if (wide < 0n || wide >= 1n << 64n) {
    throw new InvalidArgumentError(`createRng: seed must be in [0, 2^64), got ${seed}`);
  }
  const keys = roundKeys(Number(wide & 0xffffffffn) | 0, Number(wide >> 32n) | 0);
  return {
    at: (position, purpose) => new PhiloxStream(keys, position, purposes[purpose]),
  };
}

class PhiloxStream implements Rng {
  readonly #keys: Int32Array;
  readonly #position: number;
  readonly #purpose: number;
  readonly #block = new Int32Array(4);
  #drawn = 0;

  constructor(keys: Int32Array, position: number, purpose: number) {
    this.#keys = keys;
    this.#position = position;
    this.#purpose = purpose;
  }

  uniform(): number {
    philox(this.#drawn >>> 2, this.#position, this.#purpose, 0, this.#keys, this.#block);
    return (this.#block[this.#drawn++ & 3] >>> 0) * 2 ** -32;
  }

  bernoulli(p: number): boolean {
    return this.uniform() < p;
  }

  categorical(weights: ArrayLike<number>): number {
    let total = 0;
    let last = -1;
    for (let j = 0; j < weights.length; j++) {
      if (weights[j] > 0) {
        total += weights[j];
        last = j;
      }
    }
    if (last < 0) {
      throw new DegenerateDistributionError(
        `categorical: none of ${weights.length} weights is positive`,
      );
    }
    const target = this.uniform() * total;
    let sum = 0;
    for (let j = 0; j < last; j++) {
      if (weights[j] > 0) {
        sum += weights[j];
        if (target < sum) return j;
      }
    }
    return last;
  }

  gumbel(logits: ArrayLike<number>, ids: ArrayLike<number> | null): number {
    const start = argmax(logits);
    if (logits[start] === -Infinity) {
      throw new DegenerateDistributionError(`gumbel: all ${logits.length} logits are masked`);
    }
    const noise = new TokenNoise(this.#keys, this.#position, this.#purpose);
    return ids === null
      ? denseGumbel(noise, logits, start)
      : sparseGumbel(noise, logits, ids, start);
  }
}
