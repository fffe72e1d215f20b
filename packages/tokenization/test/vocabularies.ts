/** Small vocabularies and the definition of byte pair encoding, for the tests. */
import {
  createPreTokenizer,
  createTokenizer,
  type Tokenizer,
  type Vocabulary,
} from "@veridraft/tokenization";
import { spellByte } from "../src/byte-level.ts";

/** The 256 byte pieces in byte order, so that id = byte. */
export const bytePieces: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  spellByte(byte),
);

/** Pieces that merges make, after the bytes. */
export function piecesOf(merges: readonly string[]): string[] {
  return [...new Set([...bytePieces, ...merges.map((merge) => merge.replace(" ", ""))])];
}

/** A tokenizer over the bytes, `merges` and `special` tokens, in this order of ids. */
export function smallTokenizer(
  merges: readonly string[],
  special: readonly string[] = [],
  changes: Partial<Vocabulary> = {},
): Tokenizer {
  const pieces = [...piecesOf(merges), ...special];
  return createTokenizer({
    pieces,
    merges,
    specialIds: new Set(special.map((piece) => pieces.indexOf(piece))),
    userDefinedIds: new Set(),
    preTokenizer: createPreTokenizer({ type: "ByteLevel" }),
    normalizer: undefined,
    ignoreMerges: false,
    bosId: undefined,
    eosId: undefined,
    endIds: new Set(),
    addBos: false,
    ...changes,
  });
}

/** Byte pair encoding as it is defined: the best merge, leftmost first, until none applies. */
export function naiveEncode(text: string, merges: readonly string[]): string[] {
  const ranks = new Map<string, number>();
  for (const [rank, merge] of merges.entries()) if (!ranks.has(merge)) ranks.set(merge, rank);
  const symbols = [...text];
  for (;;) {
    let best = Infinity;
    let at = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Infinity;
      if (rank < best) {
        best = rank;
        at = i;
      }
    }
    if (at < 0) return symbols;
    symbols.splice(at, 2, symbols[at] + symbols[at + 1]);
  }
}

/** Merges that a trainer finds in `words`: the most frequent pair each time, ties to the smaller. */
export function trainMerges(words: readonly string[], count: number): string[] {
  const sequences = words.map((word) => [...word]);
  const merges: string[] = [];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const symbols of sequences) {
      for (let i = 0; i + 1 < symbols.length; i++) {
        const pair = `${symbols[i]} ${symbols[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    let best = "";
    for (const [pair, times] of counts) {
      const most = counts.get(best) ?? 0;
      if (times > most || (times === most && pair < best)) best = pair;
    }
    if (best === "") break;
    merges.push(best);
    const [left, right] = best.split(" ");
    for (const symbols of sequences) {
      for (let i = 0; i + 1 < symbols.length; i++) {
        if (symbols[i] === left && symbols[i + 1] === right) symbols.splice(i, 2, left + right);
      }
    }
  }
  return merges;
}

/** The tiktoken file that npm packages of tiktoken pack into lines of "! first token token". */
export function unpackRanks(ranks: string): string {
  return ranks
    .split("\n")
    .map((line) => {
      const [, first, ...tokens] = line.split(" ");
      return tokens.map((token, i) => `${token} ${Number(first) + i}`).join("\n");
    })
    .join("\n");
}
