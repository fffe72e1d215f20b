/**
 * Byte pair encoding: bytes in, public token ids out; picks the linear encoder where it is exact and the heap encoder elsewhere.
 *
 * Why dropping dead merges is exact: while a token forms inside a text, the merges inside its span happen in the same order as when the span
 * stands alone. So a token whose own bytes encode to something else never appears, and a token that two merges could make is always made by the
 * one that fires when its bytes stand alone. What remains has one merge a token; the linear encoder needs, in addition, that both parts of
 * a token rank before it. A vocabulary that a trainer wrote has this property.
 */
import { ModelFileError } from "@veridraft/core-probs/errors";
import { HeapEncoder } from "./bpe-heap.ts";
import { buildLinearTables, LinearEncoder, PairRules } from "./bpe-linear.ts";
import { spellByte, type TokenBytes } from "./byte-level.ts";
import { PairIndex } from "./pair-index.ts";

/**
 * Which encoder a vocabulary got: "linear", "heap" where its merges do not come in training order, or "delegated" where `@huggingface/tokenizers`
 * encodes.
 */
export type BpeAlgorithm = "linear" | "heap" | "delegated";

/** An encoder over public ids. */
export interface Encoder {
  readonly algorithm: BpeAlgorithm;
  /** Why this algorithm, as a sentence. */
  readonly reason: string;
  /** Bytes without a token: text that holds them loses them. */
  readonly missingBytes: Uint8Array;
  /** Work done so far, in elementary steps. */
  readonly operations: number;
  /** Writes the ids of `bytes[start, end)` into `out` from `at` on, which needs room for one id a byte; returns the index after the last. */
  encode(bytes: Uint8Array, start: number, end: number, out: Int32Array, at: number): number;
}

/** The encoder of a merge list. */
export interface Bpe extends Encoder {
  /** Tokens that no text produces, by public id. */
  readonly deadIds: readonly number[];
  /** Tokens that their own bytes encode to. */
  readonly liveIds: Iterable<number>;
  readonly list: MergeIds;
  readonly built: Built;
}

/** The vocabulary as {@link createBpe} takes it. */
export interface BpeInput {
  readonly idOf: ReadonlyMap<string, number>;
  /** "left right" in the byte-level alphabet, best first. */
  readonly merges: readonly string[];
  readonly tokenBytes: TokenBytes;
}

/** A merge list by token id. */
export interface MergeIds {
  /** Single-byte tokens, -1 for bytes without one. */
  readonly byteIds: Int32Array;
  /** Best first. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly whole: Int32Array;
  /** Of each merge, where several have the same; else its place in the list. */
  readonly ranks?: Int32Array;
  /** The rules of all merges, symbol 256 + r of rank r, where each is known to make a token that no other makes, after its parts. */
  readonly rules?: PairRules;
}

/**
 * Builds the encoder of a vocabulary.
 *
 * @throws ModelFileError where a merge is not two pieces of the vocabulary that make a third.
 */
export function createBpe({ idOf, merges, tokenBytes }: BpeInput): Bpe {
  return createBpeOfIds(readMerges(merges, idOf), tokenBytes);
}

/** Builds the encoder of a merge list that is known to fit the tokens. */
export function createBpeOfIds(list: MergeIds, tokenBytes: TokenBytes): Bpe {
  const linear = createLinear(list, tokenBytes);
  return bpeOf(list, typeof linear === "object" ? linear : createHeap(list, tokenBytes, linear));
}

/** The encoder of what was built from a merge list before. */
export function bpeOf(list: MergeIds, built: Built): Bpe {
  const { encoder, symbolIds, algorithm, deadIds, reason } = built;
  return {
    algorithm,
    reason,
    deadIds,
    list,
    built,
    get liveIds() {
      const dead = new Set(deadIds);
      return distinct(symbolIds).filter((id) => id >= 0 && !dead.has(id));
    },
    missingBytes: Uint8Array.from(list.byteIds.keys()).filter((byte) => list.byteIds[byte] < 0),
    get operations() {
      return encoder.operations;
    },
    encode(input, start, end, out, at) {
      const stop = encoder.encode(input, start, end, out, at);
      for (let i = at; i < stop; i++) {
        const id = symbolIds[out[i]];
        if (id >= 0) out[at++] = id;
      }
      return at;
    },
  };
}

/** Why a vocabulary has the linear encoder. */
export const linearReason =
  "every token is made of two tokens that are made before it, so neighbors alone tell an encoding";

/** What does the work of an encoder. */
export interface Built {
  readonly algorithm: BpeAlgorithm;
  readonly reason: string;
  readonly encoder: LinearEncoder | HeapEncoder;
  /** Symbol -> public id. */
  readonly symbolIds: Int32Array;
  readonly deadIds: number[];
}

/** The first merge that ranks before one of its parts, if there is one. Symbols: 0..255 the bytes, 256 + r what the live merge of rank r makes. */
function createLinear(list: MergeIds, { bytes, starts }: TokenBytes): Built | number {
  const { byteIds, left, right, whole } = list;
  const symbols = 256 + whole.length;
  const symbolIds = new Int32Array(symbols).fill(-1);
  symbolIds.set(byteIds);
  const symbolOf = byteSymbols(byteIds, starts.length - 1);
  const missed = new Set<number>(); // tokens that a merge needed before they were there
  const rules = list.rules ?? PairRules.empty(symbols);
  const spans = { bytes, starts: new Int32Array(symbols), ends: new Int32Array(symbols) };
  for (let rank = 0; rank < whole.length; rank++) {
    const id = whole[rank];
    const first = symbolOf[left[rank]];
    const second = symbolOf[right[rank]];
    if (first < 0) missed.add(left[rank]);
    if (second < 0) missed.add(right[rank]);
    // Dead: the parts never meet, or the token is made by an earlier merge.
    if (first < 0 || second < 0 || symbolOf[id] >= 0) continue;
    const symbol = 256 + rank;
    if (!list.rules) {
      if (!rules.isPair(first, second)) continue;
      if (missed.has(id)) return rank;
      rules.add(first, second, symbol);
    }
    symbolOf[id] = symbol;
    symbolIds[symbol] = id;
    spans.starts[symbol] = starts[id];
    spans.ends[symbol] = starts[id + 1];
  }
  return {
    algorithm: "linear",
    reason: linearReason,
    encoder: new LinearEncoder(buildLinearTables(rules, spans)),
    symbolIds,
    deadIds: distinct(whole.filter((id) => symbolOf[id] < 0)),
  };
}

/** For any merge list. Symbols: 0..255 the bytes, 256 + r what the merge of rank r makes, the first where several make one token. */
function createHeap(list: MergeIds, { bytes, starts }: TokenBytes, misplaced: number): Built {
  const { byteIds, left, right, whole } = list;
  const symbolIds = new Int32Array(256 + whole.length);
  symbolIds.set(byteIds);
  symbolIds.set(whole, 256);
  const symbolOf = byteSymbols(byteIds, starts.length - 1);
  for (let rank = whole.length - 1; rank >= 0; rank--) symbolOf[whole[rank]] = 256 + rank;
  const firsts = left.map((id) => symbolOf[id]);
  const seconds = right.map((id) => symbolOf[id]);
  const merges = new PairIndex(firsts, seconds);
  for (let rank = 0; rank < whole.length; rank++) {
    // A part that no merge makes never appears, so the merge never fires.
    if (firsts[rank] >= 0 && seconds[rank] >= 0) merges.add(rank);
  }
  const encoder = new HeapEncoder({
    merges,
    ranks: list.ranks ?? whole.map((_, rank) => rank),
    results: whole.map((id) => symbolOf[id]),
  });
  let longest = 0;
  for (const id of whole) longest = Math.max(longest, starts[id + 1] - starts[id]);
  const scratch = new Int32Array(longest);
  const isDead = (id: number): boolean =>
    encoder.encode(bytes, starts[id], starts[id + 1], scratch, 0) > 1;
  const deadIds = distinct(whole).filter(isDead);
  const reason = `merge ${misplaced} comes after one that needs the token it makes, ${whole[misplaced]}, so neighbors alone do not tell an encoding`;
  return { algorithm: "heap", reason, encoder, symbolIds, deadIds };
}

/** Token id -> symbol for the single bytes, -1 for the rest. */
function byteSymbols(byteIds: Int32Array, vocabSize: number): Int32Array {
  const symbolOf = new Int32Array(vocabSize).fill(-1);
  for (let byte = 0; byte < 256; byte++) if (byteIds[byte] >= 0) symbolOf[byteIds[byte]] = byte;
  return symbolOf;
}

const distinct = (ids: Int32Array): number[] => [...new Set(ids)];

function readMerges(merges: readonly string[], idOf: ReadonlyMap<string, number>): MergeIds {
  const [left, right, whole] = [0, 1, 2].map(() => new Int32Array(merges.length));
  for (let rank = 0; rank < merges.length; rank++) {
    const merge = merges[rank];
    const space = merge.indexOf(" ", 1);
    const first = merge.slice(0, Math.max(space, 0));
    const second = merge.slice(space + 1);
    const ids = [idOf.get(first), idOf.get(second), idOf.get(first + second)];
    if (space < 0 || ids.includes(undefined)) {
      throw new ModelFileError(
        `createBpe: merge ${rank}, "${merge}", is not two pieces of the vocabulary that make a third`,
      );
    }
    [left[rank], right[rank], whole[rank]] = ids as number[];
  }
  const byteIds = Int32Array.from({ length: 256 }, (_, byte) => idOf.get(spellByte(byte)) ?? -1);
  return { byteIds, left, right, whole };
}
