/**
 * Token recycling: drafts a tree from the successors that the target itself gave every token when it last saw it.
 *
 * Luo et al., "Turning Trash into Treasure: Accelerating Inference of Large Language Models with Token Recycling", 2024, arXiv:2408.08696.
 *
 * M [V, k]: for every token the ids of the k largest logits after its last occurrence. A template says which candidates (ranks) of which node are
 * tried. (1) Draft: tok[child] = M[tok[parent]][rank], from the root down. (2) Verify the tree in one forward. (3) For every node of it, accepted
 * or not, M[tok[node]] = the k likeliest ids after the node; of equal tokens the last node wins.
 *
 * Departures: only the budget's most promising nodes of the template are drafted (the authors always verify 80, which loses on a CPU), by fixed
 * guesses of how often a rank is accepted that the schedule calibrates; rows that were never written give no children (the authors draft token 0);
 * at temperatures above 0 the verifier samples and matches (the authors are greedy only). The matrix may start empty, kept from before
 * (the authors), or filled from the prompt or any text at the price of a forward of it (`learnText`; smpanaro's and SAM Decoding's variants).
 */
import { InvalidArgumentError, type LanguageModel } from "@veridraft/core-probs";
import type { AdjacencyMatrix } from "./adjacency-matrix.ts";
import type { Drafter } from "./drafter.ts";
import { likeliest } from "./proposals.ts";
import type { DraftTree } from "./tree.ts";

/** The shape of a tree: node i is candidate `ranks[i]` of `parents[i]` (-1 for the root). Breadth-first. */
export interface TreeTemplate {
  readonly parents: Int32Array;
  readonly ranks: Int32Array;
}

/**
 * A template from the number of children of every node, level by level from the root; the children of a node are its candidates 0 .. count - 1.
 *
 * @throws InvalidArgumentError where a level does not count the children of exactly the nodes above it.
 * @example treeFromChildCounts([[2], [1, 0], [0]]) // parents -1 -1 0, ranks 0 1 0
 */
export function treeFromChildCounts(levels: readonly (readonly number[])[]): TreeTemplate {
  const parents: number[] = [];
  const ranks: number[] = [];
  let above = [-1];
  levels.forEach((counts, level) => {
    if (counts.length !== above.length) {
      throw new InvalidArgumentError(
        `treeFromChildCounts: level ${level} has ${above.length} nodes but ${counts.length} counts`,
      );
    }
    const nodes: number[] = [];
    counts.forEach((count, i) => {
      for (let rank = 0; rank < count; rank++) {
        nodes.push(parents.length);
        parents.push(above[i]);
        ranks.push(rank);
      }
    });
    above = nodes;
  });
  return { parents: Int32Array.from(parents), ranks: Int32Array.from(ranks) };
}

/** The authors' tree "2.2.2": 80 nodes on six levels. */
// prettier-ignore
export const TR_TREE_80: TreeTemplate = treeFromChildCounts([
  [8],
  [8, 4, 3, 2, 1, 1, 1, 1],
  [8, 3, 2, 1, 1, 1, 1, 1, 2, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0],
  [5, 2, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0],
  [3, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0],
  [2, 0, 0, 1, 0, 0, 0, 0],
  [0, 0, 0],
]);

/** How often the candidate of a rank is accepted, guessed; the sum over ranks is the chance that a row helps at all. */
const rankAcceptance = [0.34, 0.12, 0.07, 0.045, 0.03, 0.025, 0.02, 0.015];

function confidenceOf(rank: number): number {
  return rankAcceptance[Math.min(rank, rankAcceptance.length - 1)];
}

/**
 * Fills a template from the matrix: of the nodes that have a token, the `budget` most promising ones, in the template's order.
 *
 * @param budget Default: all.
 */
export function draftTree(
  matrix: AdjacencyMatrix,
  root: number,
  template: TreeTemplate = TR_TREE_80,
  budget = Infinity,
): DraftTree {
  const { parents, ranks } = template;
  const tokens = new Int32Array(parents.length).fill(-1);
  const values = new Float64Array(parents.length);
  for (let i = 0; i < parents.length; i++) {
    const parent = parents[i];
    const from = parent < 0 ? root : tokens[parent];
    if (from < 0 || ranks[i] >= matrix.k) continue;
    tokens[i] = matrix.row(from)[ranks[i]];
    if (tokens[i] >= 0) values[i] = (parent < 0 ? 1 : values[parent]) * confidenceOf(ranks[i]);
  }
  // A child is worth less than its parent and comes after it, so that the best nodes hold their parents.
  const kept = Array.from(parents, (_, i) => i)
    .filter((i) => tokens[i] >= 0)
    .toSorted((a, b) => values[b] - values[a] || a - b)
    .slice(0, budget)
    .toSorted((a, b) => a - b);
  const places = new Map(kept.map((node, place) => [node, place]));
  return {
    tokens: Int32Array.from(kept, (i) => tokens[i]),
    parents: Int32Array.from(kept, (i) => places.get(parents[i]) ?? -1),
    laws: kept.map(() => null),
    confidences: Float32Array.from(kept, (i) => confidenceOf(ranks[i])),
  };
}

/** Step 3: writes what the target said after the root and after every node of a verified tree. */
export function recycle(
  matrix: AdjacencyMatrix,
  root: number,
  tree: DraftTree,
  successors: Int32Array,
): void {
  matrix.update([root, ...tree.tokens], successors);
}

/** Tokens of a forward of {@link learnText}; their logits are held at once. */
const chunk = 16;

/**
 * Fills the matrix from a text, as a rule the prompt: one forward of it, whose keys and values a model with a cache of prefixes gives back to the
 * generation that follows.
 *
 * @throws InvalidArgumentError for another vocabulary; what the model's forward throws; the signal's reason where it aborts.
 */
export async function learnText(
  matrix: AdjacencyMatrix,
  model: LanguageModel,
  ids: ArrayLike<number>,
  signal?: AbortSignal,
): Promise<void> {
  if (matrix.vocabSize !== model.vocabSize) {
    throw new InvalidArgumentError(
      `learnText: the matrix must be of the model's ${model.vocabSize} tokens, got ${matrix.vocabSize}`,
    );
  }
  const sequence = await model.open();
  try {
    const text = Int32Array.from(ids);
    for (let at = 0; at < text.length; at += chunk) {
      const tokens = text.subarray(at, at + chunk);
      // oxlint-disable-next-line no-await-in-loop -- a chunk continues the one before it
      const logits = await sequence.forward(tokens, { signal });
      sequence.commit(tokens.length);
      matrix.update(tokens, likeliest(logits, matrix.k));
    }
  } finally {
    sequence.dispose();
  }
}

/**
 * A drafter that needs no model and no text to copy from.
 *
 * @param matrix Starts empty, or keeps what earlier generations taught it.
 */
export function createTokenRecycling(
  matrix: AdjacencyMatrix,
  template: TreeTemplate = TR_TREE_80,
): Drafter {
  let root: number | null = null;
  return {
    name: "token-recycling",
    successors: matrix.k,
    async propose({ ids, budget }) {
      root = ids[ids.length - 1];
      return draftTree(matrix, root, template, budget);
    },
    observe({ tree, successors }) {
      if (root !== null) recycle(matrix, root, tree, successors);
      root = null;
    },
    dispose() {},
  };
}
