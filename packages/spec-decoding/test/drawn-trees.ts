/** Trees drawn from toy laws, and the exact law of what a verifier makes of them. */
import { type Distribution, type RngKey, sample } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  type DraftLaw,
  type DraftTree,
  sampleWithoutReplacement,
  type Verifier,
} from "@veridraft/spec-decoding";
import { draftRows, targetRows } from "./toy3.ts";

export const dense = (probs: ArrayLike<number>): Distribution => ({
  ids: null,
  probs: Float32Array.from(probs),
});

export function sparse(probs: readonly number[]): Distribution {
  const ids = probs.map((_, id) => id).filter((id) => probs[id] > 0);
  return { ids: Int32Array.from(ids), probs: Float32Array.from(ids, (id) => probs[id]) };
}

/** How siblings are drawn. */
export type Draws = "independent" | "without replacement";

/** The law of a token after another one, -1 for the empty text. */
export type LawAfter = (token: number) => Distribution;

/** A pair of models whose laws depend on the last token only. */
export interface Pair {
  readonly vocabSize: number;
  readonly p: LawAfter;
  readonly q: LawAfter;
}

const emptyContext = 3;
export const toy3: Pair = {
  vocabSize: 3,
  p: (token) => dense(targetRows[token < 0 ? emptyContext : token].slice(0, 3)),
  q: (token) => sparse(draftRows[token < 0 ? emptyContext : token].slice(0, 3)),
};

/** The same laws after every token. */
export const constantPair = (p: Distribution, q: Distribution): Pair => ({
  vocabSize: p.probs.length,
  p: () => p,
  q: () => q,
});

/** Draws a tree in which every node of depth d has widths[d] children. */
export function drawTree(
  key: RngKey,
  { vocabSize, q }: Pair,
  widths: readonly number[],
  draws: Draws,
  position = 0,
): DraftTree {
  const rng = key.at(position, "draft");
  const tokens: number[] = [];
  const parents: number[] = [];
  const laws: DraftLaw[] = [];
  let level = [-1];
  for (const width of widths) {
    const below: number[] = [];
    for (const parent of level) {
      const law = q(parent < 0 ? -1 : tokens[parent]);
      const siblings =
        draws === "without replacement"
          ? sampleWithoutReplacement(law, width, vocabSize, rng)
          : {
              tokens: Array.from({ length: width }, () => sample(law, rng)),
              laws: Array.from({ length: width }, () => law),
            };
      siblings.tokens.forEach((token, i) => {
        below.push(tokens.length);
        tokens.push(token);
        parents.push(parent);
        laws.push(siblings.laws[i]);
      });
    }
    level = below;
  }
  return {
    tokens: Int32Array.from(tokens),
    parents: Int32Array.from(parents),
    laws,
    confidences: new Float32Array(tokens.length).fill(1),
  };
}

/** Draws a tree and verifies it; the emitted tokens. */
export function round(
  key: RngKey,
  verifier: Verifier,
  pair: Pair,
  widths: readonly number[],
  draws: Draws,
): number[] {
  const tree = drawTree(key, pair, widths, draws);
  const target = (node: number): Distribution => pair.p(node < 0 ? -1 : tree.tokens[node]);
  const { path, next } = verifier.verify(tree, target, 0, key);
  return [...path.map((node) => tree.tokens[node]), next];
}

/** Expected tokens of a round, by enumeration. */
export async function expectedTokens(
  verifier: Verifier,
  pair: Pair,
  widths: readonly number[],
  draws: Draws = "independent",
): Promise<number> {
  const lengths = await exactLaw((key) => round(key, verifier, pair, widths, draws).length);
  let mean = 0;
  for (const [length, mass] of lengths) mean += Number(length) * mass;
  return mean;
}

/**
 * The largest difference between the law of the emitted tokens, completed with p to one more than the depth of the tree, and the target's, by
 * enumeration.
 */
export async function lawError(
  verifier: Verifier,
  pair: Pair,
  widths: readonly number[],
  draws: Draws = "independent",
): Promise<number> {
  const length = widths.length + 1;
  const law = await exactLaw((key) => {
    const tokens = round(key, verifier, pair, widths, draws);
    while (tokens.length < length) {
      tokens.push(sample(pair.p(tokens[tokens.length - 1]), key.at(100 + tokens.length, "sample")));
    }
    return tokens;
  });
  const plain = await exactLaw((key) => {
    const tokens: number[] = [];
    while (tokens.length < length) {
      tokens.push(sample(pair.p(tokens.at(-1) ?? -1), key.at(tokens.length, "sample")));
    }
    return tokens;
  });
  const outcomes = new Set([...law.keys(), ...plain.keys()]);
  return Math.max(...[...outcomes].map((o) => Math.abs((law.get(o) ?? 0) - (plain.get(o) ?? 0))));
}

/** Shapes of trees that the sources enumerate. */
export const shapes: readonly (readonly number[])[] = [[1, 1], [2], [2, 1], [1, 2], [1, 1, 1]];

/** A pair whose probabilities are multiples of 1/16: float32 holds them exactly, so that laws can be compared to 1e-9. */
export const dyadic: Pair = {
  vocabSize: 3,
  p: (token) =>
    dense(
      [
        [8, 5, 3],
        [2, 10, 4],
        [6, 6, 4],
        [4, 4, 8],
      ][token + 1].map((n) => n / 16),
    ),
  q: (token) =>
    sparse(
      [
        [3, 8, 5],
        [5, 5, 6],
        [12, 0, 4],
        [1, 11, 4],
      ][token + 1].map((n) => n / 16),
    ),
};
