/**
 * Standard Gumbel noise for every token id, random-access, and the argmax of logits plus noise at a small part of the cost of all noise.
 *
 * The noise of a token is -ln(T) with T a standard exponential. Sixteen tokens form a group: the smallest of their T is m = E / 16, it falls on
 * each of them with equal chance, and the others are m + E_i, as exponentials have no memory. So two words of a group say how large any noise in
 * it is, and a group whose largest logit cannot win with it is dismissed without looking at its tokens: nearly all are.
 */
import { philox } from "./philox.ts";

const groupBits = 4;
const groupSize = 1 << groupBits;

/** Blocks of group words, two groups a block: the word of m, the word of the token it falls on. */
const groupStart = 0x80000000 | 0;
/** Blocks of token words, four tokens a block. */
const tokenStart = 0xc0000000 | 0;

/**
 * largest[clz32(~w)] bounds the noise in a group whose first word is w: with x = 1 - u, -ln(-ln(u)) <= -ln(x), and the leading zeros of ~w bound x
 * from below. It spares nearly all logarithms.
 */
const largest = Float64Array.from({ length: 33 }, (_, zeros) => (zeros + 1 + groupBits) * Math.LN2);

/** A standard exponential from a word: -ln(u) with u = (word + 1/2) / 2^32. */
function exponential(word: number): number {
  return -Math.log(((word >>> 0) + 0.5) * 2 ** -32);
}

/** The noise of one stream. */
export class TokenNoise {
  readonly #keys: Int32Array;
  readonly #position: number;
  readonly #purpose: number;
  readonly #group = new Int32Array(4);
  readonly #token = new Int32Array(4);
  #filled = -1;

  constructor(keys: Int32Array, position: number, purpose: number) {
    this.#keys = keys;
    this.#position = position;
    this.#purpose = purpose;
  }

  /** An upper bound of the noise of a token's group. */
  bound(id: number): number {
    return largest[Math.clz32(~this.#group[this.#lane(id)])];
  }

  /** The noise of a token. */
  of(id: number): number {
    const lane = this.#lane(id);
    const first = exponential(this.#group[lane]) / groupSize;
    const holder = this.#group[lane + 1] >>> (32 - groupBits);
    if ((id & (groupSize - 1)) === holder) return -Math.log(first);
    philox(tokenStart + (id >>> 2), this.#position, this.#purpose, 0, this.#keys, this.#token);
    return -Math.log(first + exponential(this.#token[id & 3]));
  }

  /** Lane of the first of the two words of a token's group, which it fetches. */
  #lane(id: number): number {
    const block = id >>> (groupBits + 1);
    if (block !== this.#filled) {
      philox(groupStart + block, this.#position, this.#purpose, 0, this.#keys, this.#group);
      this.#filled = block;
    }
    return ((id >>> groupBits) & 1) << 1;
  }
}

/** The id that maximizes logits[id] + noise(id); ties: the lowest. @param start Of the largest logit, which is not masked. */
export function denseGumbel(noise: TokenNoise, logits: ArrayLike<number>, start: number): number {
  let best = logits[start] + noise.of(start);
  let winner = start;
  for (let first = 0; first < logits.length; first += groupSize) {
    const end = Math.min(first + groupSize, logits.length);
    let max = -Infinity;
    for (let id = first; id < end; id++) if (logits[id] > max) max = logits[id];
    const bound = noise.bound(first);
    if (max + bound < best) continue;
    for (let id = first; id < end; id++) {
      if (logits[id] + bound < best) continue;
      const value = logits[id] + noise.of(id);
      if (value > best || (value === best && id < winner)) {
        best = value;
        winner = id;
      }
    }
  }
  return winner;
}

/** {@link denseGumbel} over some ids: logits[j] belongs to ids[j]. @param start Index of the largest logit. */
export function sparseGumbel(
  noise: TokenNoise,
  logits: ArrayLike<number>,
  ids: ArrayLike<number>,
  start: number,
): number {
  let winner = ids[start];
  let best = logits[start] + noise.of(winner);
  for (let j = 0; j < logits.length; j++) {
    if (logits[j] + largest[32] < best) continue;
    const id = ids[j];
    if (logits[j] + noise.bound(id) < best) continue;
    const value = logits[j] + noise.of(id);
    if (value > best || (value === best && id < winner)) {
      best = value;
      winner = id;
    }
  }
  return winner;
}
