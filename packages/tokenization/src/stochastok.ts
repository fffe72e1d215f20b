/**
 * StochasTok: splits tokens of an encoded text at random, so that a model in training sees how words are spelled.
 *
 * Sims et al., "StochasTok: Improving Fine-Grained Subword Understanding in LLMs", 2025, arXiv:2506.01687.
 *
 * Table: for every token all pairs of tokens whose bytes, one after the other, are its own. Then floor(p n) attempts on a text of n tokens: draw a place of
 * the sequence as it is now; where its token has pairs, one of them takes its place; where it has none, the attempt is spent. Parts may be split again.
 *
 * Departures: tokens of several bytes without a pair are listed, not an error; the table is built at each start (the authors' cache on disk, once read
 * back, splits nothing); places come with the text, so that masks and labels can follow.
 */
import type { Rng } from "@veridraft/core-probs";
import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs/errors";
import type { Tokenizer } from "./tokenizer.ts";

/** The pairs that tokens can be split into. */
export interface SplitTable {
  readonly vocabSize: number;
  /** The pairs of token `i` are `pairs[2 k]`, `pairs[2 k + 1]` for k from `starts[i]` to `starts[i + 1]`. */
  readonly starts: Int32Array;
  readonly pairs: Int32Array;
  /** Tokens of two bytes or more without a pair, control tokens aside. */
  readonly unsplittable: Int32Array;
}

export interface ExpandOptions {
  /** Attempts for each token of the text. Default 0.1. */
  readonly p?: number;
  /** Ends the attempts after so many that succeeded. Default Infinity. */
  readonly maxSplits?: number;
  /** Places whose entry is not 0 are never split, as a prompt's. Default: none. */
  readonly protect?: ArrayLike<number>;
}

/** A text with some of its tokens split. */
export interface ExpandedIds {
  readonly ids: Int32Array;
  /** origins[k] is the place in the text that ids[k] comes from; non-decreasing. */
  readonly origins: Int32Array;
  readonly splits: number;
}

const byteFallback = /^<0x[0-9A-F]{2}>$/;

/**
 * Builds the table of a vocabulary. Control tokens are never split; byte tokens of SentencePiece are no parts, as they stand for what has no other token.
 */
export function buildSplitTable(tokenizer: Tokenizer): SplitTable {
  const { vocabSize, vocabulary } = tokenizer;
  const spellings = Array.from({ length: vocabSize }, (_, id) =>
    tokenizer.isSpecial(id) ||
    (!("merges" in vocabulary) && byteFallback.test(vocabulary.pieces[id]))
      ? ""
      : Buffer.from(tokenizer.tokenBytes(id)).toString("latin1"),
  );
  const idOf = new Map<string, number>();
  spellings.forEach((spelling, id) => spelling !== "" && idOf.set(spelling, id));
  const starts = new Int32Array(vocabSize + 1);
  const pairs: number[] = [];
  const unsplittable: number[] = [];
  spellings.forEach((spelling, id) => {
    for (let cut = 1; cut < spelling.length; cut++) {
      const left = idOf.get(spelling.slice(0, cut));
      const right = idOf.get(spelling.slice(cut));
      if (left !== undefined && right !== undefined) pairs.push(left, right);
    }
    starts[id + 1] = pairs.length / 2;
    if (spelling.length > 1 && starts[id] === starts[id + 1]) unsplittable.push(id);
  });
  return {
    vocabSize,
    starts,
    pairs: Int32Array.from(pairs),
    unsplittable: Int32Array.from(unsplittable),
  };
}

/**
 * Splits tokens at random; the text stays what it was. For training only: at inference a text has its one encoding. A text of fewer than 1 / p tokens is
 * never changed.
 *
 * @throws InvalidArgumentError for p below 0 or an id outside the vocabulary; ShapeError where `protect` is of another length.
 */
export function expandTokens(
  ids: ArrayLike<number>,
  { starts, pairs, vocabSize }: SplitTable,
  { p = 0.1, maxSplits = Infinity, protect }: ExpandOptions,
  rng: Rng,
): ExpandedIds {
  if (!(p >= 0)) throw new InvalidArgumentError(`expandTokens: p must be at least 0, got ${p}`);
  if (protect && protect.length !== ids.length) {
    throw new ShapeError(`expandTokens: ${ids.length} ids but protect has ${protect.length}`);
  }
  const parts = Array.from(ids, (id) => {
    if (!(id >= 0 && id < vocabSize)) {
      throw new InvalidArgumentError(`expandTokens: ids must be in [0, ${vocabSize}), got ${id}`);
    }
    return [id];
  });
  const counts = new CountTree(parts.length);
  const attempts = Math.floor(ids.length * p);
  let splits = 0;
  for (let attempt = 0; attempt < attempts && splits < maxSplits; attempt++) {
    const { place, rest } = counts.find(drawInteger(ids.length + splits, rng));
    const id = parts[place][rest];
    const choices = starts[id + 1] - starts[id];
    if (choices === 0 || protect?.[place]) continue;
    const pair = 2 * (starts[id] + drawInteger(choices, rng));
    parts[place].splice(rest, 1, pairs[pair], pairs[pair + 1]);
    counts.increment(place);
    splits++;
  }
  return {
    ids: Int32Array.from(parts.flat()),
    origins: Int32Array.from(parts.flatMap((part, place) => part.map(() => place))),
    splits,
  };
}

/** Uniform on 0 .. n - 1, without the bias of a product. */
function drawInteger(n: number, rng: Rng): number {
  const words = 2 ** 32;
  const limit = words - (words % n);
  for (;;) {
    const word = rng.uniform() * words;
    if (word < limit) return word % n;
  }
}

/** How many tokens each place holds, one at first: a Fenwick tree, so that a token is found by its number in O(log n). */
class CountTree {
  readonly #sums: Int32Array;

  constructor(places: number) {
    // Node i holds the places of its lowest bit.
    this.#sums = Int32Array.from({ length: places + 1 }, (_, i) => i & -i);
  }

  increment(place: number): void {
    for (let i = place + 1; i < this.#sums.length; i += i & -i) this.#sums[i]++;
  }

  /** The place of token `index` of all, and its number there. */
  find(index: number): { place: number; rest: number } {
    let place = 0;
    let rest = index;
    for (let step = 1 << (31 - Math.clz32(this.#sums.length)); step > 0; step >>= 1) {
      if (place + step < this.#sums.length && this.#sums[place + step] <= rest) {
        place += step;
        rest -= this.#sums[place];
      }
    }
    return { place, rest };
  }
}
