/**
 * What one wrong character does to the tokens of a text: how many change, and whether the boundaries stay. Errors as scanners and typists make them.
 */
import type { Rng } from "@veridraft/core-probs";
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import type { Tokenizer } from "./tokenizer.ts";

/** Kinds of errors: a letter that looks like another, any letter, neighbors that change places, a letter too few, one too many. */
export type ErrorKind = "ocr" | "substitution" | "transposition" | "deletion" | "insertion";

/** What scanned letters are taken for. */
const lookalikes: Readonly<Record<string, string>> = {
  a: "o",
  b: "h",
  c: "e",
  d: "a",
  e: "c",
  f: "t",
  g: "q",
  h: "b",
  i: "l",
  j: "i",
  k: "h",
  l: "1",
  m: "n",
  n: "u",
  o: "0",
  p: "n",
  q: "g",
  r: "n",
  s: "5",
  t: "f",
  u: "n",
  v: "y",
  w: "v",
  x: "z",
  y: "v",
  z: "2",
  B: "8",
  I: "l",
  O: "0",
  S: "5",
  Z: "2",
};
const letters = "abcdefghijklmnopqrstuvwxyz";

/**
 * The text with one error at a character. What looks like no other letter becomes any.
 *
 * @param at Index of the character, of UTF-16. @throws InvalidArgumentError outside of the text.
 */
export function corruptAt(text: string, at: number, kind: ErrorKind, rng: Rng): string {
  if (!(Number.isInteger(at) && at >= 0 && at < text.length)) {
    throw new InvalidArgumentError(`corruptAt: at must be in [0, ${text.length}), got ${at}`);
  }
  const old = text[at];
  const before = text.slice(0, at);
  const after = text.slice(at + 1);
  const letter = (): string => {
    const others = letters.replace(old, "");
    return others[Math.floor(rng.uniform() * others.length)];
  };
  switch (kind) {
    case "deletion":
      return before + after;
    case "insertion":
      return before + letter() + old + after;
    case "transposition":
      return after === "" ? text : before + after[0] + old + after.slice(1);
    case "ocr":
      return before + (lookalikes[old] ?? letter()) + after;
    case "substitution":
      return before + letter() + after;
  }
}

/**
 * The text with errors at some of its letters.
 *
 * @param rate Share of the letters, in [0, 1]. @throws InvalidArgumentError for another rate, or for no kinds.
 */
export function corrupt(
  text: string,
  rate: number,
  kinds: readonly ErrorKind[],
  rng: Rng,
): { readonly text: string; readonly edits: number } {
  if (!(rate >= 0 && rate <= 1) || kinds.length === 0) {
    throw new InvalidArgumentError(
      `corrupt: needs a rate in [0, 1] and a kind of error, got ${rate} and ${kinds.length} kinds`,
    );
  }
  let result = text;
  let edits = 0;
  // From the end, so that places before stay.
  for (let at = text.length - 1; at >= 0; at--) {
    if (!/\p{L}/u.test(text[at]) || !rng.bernoulli(rate)) continue;
    result = corruptAt(result, at, kinds[Math.floor(rng.uniform() * kinds.length)], rng);
    edits++;
  }
  return { text: result, edits };
}

/** Two ways to cut a text and its erroneous twin. */
export interface SplitChange {
  readonly sameCount: boolean;
  /** Ends of tokens that both have, as a share of all; null where the texts differ in length. */
  readonly jaccard: number | null;
  /** Tokens of the longer list that are not in the longest common subsequence. */
  readonly changed: number;
}

/**
 * Compares the tokens of a text and its twin.
 *
 * @example compareSplits(["be", "twe", "en"], ["b", "ct", "w", "cen"]).changed // 4
 */
export function compareSplits(before: readonly string[], after: readonly string[]): SplitChange {
  const [ends, twins] = [before, after].map(endsOf);
  const shared = [...ends].filter((end) => twins.has(end)).length;
  const comparable = before.join("").length === after.join("").length;
  return {
    sameCount: before.length === after.length,
    jaccard: comparable ? shared / (ends.size + twins.size - shared) : null,
    changed: Math.max(before.length, after.length) - commonLength(before, after),
  };
}

function endsOf(tokens: readonly string[]): Set<number> {
  let at = 0;
  return new Set(tokens.map((token) => (at += token.length)));
}

/** The length of the longest common subsequence. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  let lengths = new Int32Array(b.length + 1);
  for (const token of a) {
    const next = new Int32Array(b.length + 1);
    for (let j = 0; j < b.length; j++) {
      next[j + 1] = token === b[j] ? lengths[j] + 1 : Math.max(lengths[j + 1], next[j]);
    }
    lengths = next;
  }
  return lengths[b.length];
}

/** Means over pairs of a text and its twin with one error. */
export interface Stability {
  /** Share of pairs with as many tokens. */
  readonly sameCount: number;
  /** Of pairs of equal length; NaN where there is none. */
  readonly jaccard: number;
  readonly changedPerError: number;
}

/** How a tokenizer takes errors. @throws InvalidArgumentError for no pairs. */
export function boundaryStability(
  tokenizer: Tokenizer,
  pairs: readonly (readonly [text: string, twin: string])[],
): Stability {
  if (pairs.length === 0) {
    throw new InvalidArgumentError("boundaryStability: needs at least one pair, got none");
  }
  const split = (text: string): string[] =>
    Array.from(tokenizer.encode(text), (id) => String.fromCharCode(...tokenizer.tokenBytes(id)));
  const changes = pairs.map(([text, twin]) => compareSplits(split(text), split(twin)));
  const overlaps = changes.flatMap(({ jaccard }) => (jaccard === null ? [] : [jaccard]));
  return {
    sameCount: mean(changes.map(({ sameCount }) => Number(sameCount))),
    jaccard: mean(overlaps),
    changedPerError: mean(changes.map(({ changed }) => changed)),
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
