/**
 * Random streams are explicit and counter-based: a draw is a function of (seed, position, purpose, index), so the same seed gives the same text
 * whatever the drafter, the draft length or the batch.
 *
 * Words come from Philox4x32-10 with the seed as key and the counter (block, position, purpose, 0). Word n of a stream is lane n % 4 of block
 * n / 4; the noise of token id i is made from lane i % 4 of block 2^31 + i / 4. Both layouts are pinned by golden vectors: changing them changes
 * the text of every seed.
 */
import { DegenerateDistributionError, InvalidArgumentError } from "./errors.ts";
import { argmax } from "./kernels.ts";
import { philox, roundKeys } from "./philox.ts";

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

/** Index of the first block of token noise. */
const noiseStart = 0x80000000 | 0;

/**
 * noiseBound[clz32(~w)] is at least the noise of word w: with x = 1 - u, -ln(-ln(u)) <= -ln(x), and the leading zeros of ~w bound x from below.
 * Most tokens are dismissed by it without a logarithm.
 */
const noiseBound = Float64Array.from({ length: 33 }, (_, zeros) => (zeros + 1) * Math.LN2);
const largestNoise = noiseBound[32];

/** Standard Gumbel noise of a word: -ln(-ln(u)) with u = (word + 1/2) / 2^32. */
function noise(word: number): number {
  return -Math.log(-Math.log(((word >>> 0) + 0.5) * 2 ** -32));
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
    return ids === null ? this.#dense(logits, start) : this.#sparse(logits, ids, start);
  }

  #noise(id: number): number {
    this.#fill(id >>> 2);
    return noise(this.#block[id & 3]);
  }

  #fill(block: number): void {
    philox(noiseStart + block, this.#position, this.#purpose, 0, this.#keys, this.#block);
  }

  #dense(logits: ArrayLike<number>, start: number): number {
    const block = this.#block;
    let best = logits[start] + this.#noise(start);
    let id = start;
    for (let first = 0; first < logits.length; first += 4) {
      const end = Math.min(first + 4, logits.length);
      const floor = best - largestNoise;
      let worth = false;
      for (let i = first; i < end; i++) worth ||= logits[i] >= floor;
      if (!worth) continue;
      this.#fill(first >>> 2);
      for (let i = first; i < end; i++) {
        const word = block[i & 3];
        if (logits[i] + noiseBound[Math.clz32(~word)] < best) continue;
        const value = logits[i] + noise(word);
        if (value > best || (value === best && i < id)) {
          best = value;
          id = i;
        }
      }
    }
    return id;
  }

  #sparse(logits: ArrayLike<number>, ids: ArrayLike<number>, start: number): number {
    let best = logits[start] + this.#noise(ids[start]);
    let id = ids[start];
    let filled = -1;
    for (let j = 0; j < logits.length; j++) {
      if (logits[j] < best - largestNoise) continue;
      if (filled !== ids[j] >>> 2) this.#fill((filled = ids[j] >>> 2));
      const word = this.#block[ids[j] & 3];
      if (logits[j] + noiseBound[Math.clz32(~word)] < best) continue;
      const value = logits[j] + noise(word);
      if (value > best || (value === best && ids[j] < id)) {
        best = value;
        id = ids[j];
      }
    }
    return id;
  }
}
