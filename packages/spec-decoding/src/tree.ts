import {
  type Distribution,
  InvalidArgumentError,
  probabilityOf,
  ShapeError,
} from "@veridraft/core-probs";
import type { DraftLaw } from "./drafter.ts";

/**
 * Drafted tokens below a root, the last committed token, which is not a node. Nodes are listed parents before children; siblings in the order in
 * which they were drawn. A chain is a tree.
 */
export interface DraftTree {
  /** [nodes] token ids. */
  readonly tokens: Int32Array;
  /** [nodes] index of the parent, -1 for a child of the root; parents[i] < i. */
  readonly parents: Int32Array;
  /** [nodes] the law that each token was drawn from, or null where drafts were chosen deterministically: then any choice of nodes is exact. */
  readonly laws: readonly DraftLaw[];
  /** [nodes] the drafter's own estimate in [0, 1] that the node is accepted given that its parent is; the schedule calibrates it. */
  readonly confidences: Float32Array;
}

/** The tree without nodes. */
export const emptyTree: DraftTree = {
  tokens: new Int32Array(0),
  parents: new Int32Array(0),
  laws: [],
  confidences: new Float32Array(0),
};

/** A chain of tokens: each node is the only child of the one before it. Without `laws` they were chosen deterministically. */
export function chain(
  tokens: ArrayLike<number>,
  confidences: ArrayLike<number>,
  laws: readonly DraftLaw[] = Array.from(tokens, () => null),
): DraftTree {
  if (tokens.length !== confidences.length || tokens.length !== laws.length) {
    throw new ShapeError(
      `chain: ${tokens.length} tokens but ${confidences.length} confidences and ${laws.length} laws`,
    );
  }
  return {
    tokens: Int32Array.from(tokens),
    parents: Int32Array.from(tokens, (_, i) => i - 1),
    laws,
    confidences: Float32Array.from(confidences),
  };
}

/** Whether every node is the only child of the one before it. */
export function isChain(tree: DraftTree): boolean {
  return tree.parents.every((parent, i) => parent === i - 1);
}

/** Whether a token of the tree was drawn from a law, so that nodes must not be dropped after drawing. */
export function isSampled(tree: DraftTree): boolean {
  return tree.laws.some((law) => law !== null);
}

/** The children of `node` (-1 for the root), in order. */
export function childrenOf(tree: DraftTree, node: number): number[] {
  const children: number[] = [];
  for (let i = node + 1; i < tree.parents.length; i++) {
    if (tree.parents[i] === node) children.push(i);
  }
  return children;
}

/** [nodes] 1 for a child of the root, one more for each generation. */
export function treeDepths(tree: DraftTree): Int32Array {
  const depths = new Int32Array(tree.tokens.length);
  tree.parents.forEach((parent, i) => (depths[i] = parent < 0 ? 1 : depths[parent] + 1));
  return depths;
}

/** The nodes from the root's child down to `node`; empty for -1. */
export function pathTo(tree: DraftTree, node: number): number[] {
  const path: number[] = [];
  for (let at = node; at >= 0; at = tree.parents[at]) path.push(at);
  return path.toReversed();
}

/** The path of every leaf, in the order of the leaves. */
export function leafPaths(tree: DraftTree): number[][] {
  const inner = new Set(tree.parents);
  return Array.from(tree.tokens, (_, i) => i)
    .filter((i) => !inner.has(i))
    .map((leaf) => pathTo(tree, leaf));
}

/**
 * [1 + nodes, 1 + nodes] row-major, the root first: 1 where the row's token sees the column's, that is itself and its ancestors.
 *
 * @example treeMask(chain([7, 8], [1, 1])) // 1 0 0  1 1 0  1 1 1
 */
export function treeMask(tree: DraftTree): Uint8Array {
  const size = tree.tokens.length + 1;
  const mask = new Uint8Array(size * size);
  mask[0] = 1;
  for (let i = 1; i < size; i++) {
    const parent = (tree.parents[i - 1] + 1) * size;
    mask.copyWithin(i * size, parent, parent + size);
    mask[i * size + i] = 1;
  }
  return mask;
}

/**
 * The tree of the nodes `keep`, which ascend strictly and hold with every node its parent.
 *
 * @throws InvalidArgumentError where they do not.
 */
export function selectNodes(tree: DraftTree, keep: ArrayLike<number>): DraftTree {
  const kept = Int32Array.from(keep);
  const places = new Map<number, number>([[-1, -1]]);
  const parents = kept.map((node, place) => {
    const parent = places.get(tree.parents[node]);
    if (parent === undefined || (place > 0 && node <= kept[place - 1])) {
      throw new InvalidArgumentError(
        `selectNodes: nodes must ascend and hold their parents, got ${kept.join(" ")}`,
      );
    }
    places.set(node, place);
    return parent;
  });
  return {
    tokens: kept.map((node) => tree.tokens[node]),
    parents,
    laws: Array.from(kept, (node) => tree.laws[node]),
    confidences: Float32Array.from(kept, (node) => tree.confidences[node]),
  };
}

/**
 * Checks a tree that comes from elsewhere, so that a verifier can rely on it.
 *
 * @throws ShapeError where the arrays disagree in length or there are more nodes than `budget`; InvalidArgumentError where a token, parent,
 * confidence or law is not what {@link DraftTree} promises.
 */
export function checkTree(tree: DraftTree, vocabSize: number, budget = Infinity): void {
  const { tokens, parents, laws, confidences } = tree;
  const size = tokens.length;
  if (parents.length !== size || laws.length !== size || confidences.length !== size) {
    throw new ShapeError(
      `checkTree: ${size} tokens but ${parents.length} parents, ${laws.length} laws and ${confidences.length} confidences`,
    );
  }
  if (size > budget)
    throw new ShapeError(`checkTree: ${size} nodes exceed the budget of ${budget}`);
  for (let i = 0; i < size; i++) {
    const law = laws[i];
    if (!(tokens[i] >= 0 && tokens[i] < vocabSize)) {
      throw invalid(i, "token", `in [0, ${vocabSize})`, tokens[i]);
    }
    if (!(parents[i] >= -1 && parents[i] < i)) {
      throw invalid(i, "parent", `in [-1, ${i})`, parents[i]);
    }
    if (!(confidences[i] >= 0 && confidences[i] <= 1)) {
      throw invalid(i, "confidence", "in [0, 1]", confidences[i]);
    }
    if (law === null) continue;
    checkLaw(law, i, vocabSize);
    const probability = probabilityOf(law, tokens[i]);
    if (!(probability > 0)) throw invalid(i, "token's probability", "above 0", probability);
  }
}

function checkLaw(law: Distribution, node: number, vocabSize: number): void {
  const { ids, probs } = law;
  const length = ids === null ? vocabSize : ids.length;
  if (probs.length !== length) {
    throw new ShapeError(
      `checkTree: the law of node ${node} has ${probs.length} probabilities for ${length} ids`,
    );
  }
  let sum = 0;
  for (let j = 0; j < probs.length; j++) {
    if (!(probs[j] >= 0)) throw invalid(node, "probabilities", "at least 0", probs[j]);
    sum += probs[j];
  }
  if (!(Math.abs(sum - 1) < 1e-3)) throw invalid(node, "law's sum", "1", sum);
  if (ids === null) return;
  for (let j = 0; j < ids.length; j++) {
    const low = j === 0 ? 0 : ids[j - 1] + 1;
    if (!(ids[j] >= low && ids[j] < vocabSize)) {
      throw invalid(node, "law's ids", `ascending in [0, ${vocabSize})`, ids[j]);
    }
  }
}

function invalid(node: number, what: string, bound: string, value: number): InvalidArgumentError {
  return new InvalidArgumentError(
    `checkTree: the ${what} of node ${node} must be ${bound}, got ${value}`,
  );
}

/** The nodes of the chain that takes the most confident child at each step (ties: the first), ascending. */
export function bestChain(tree: DraftTree): number[] {
  const nodes: number[] = [];
  for (let node = -1; ;) {
    let best = -1;
    for (const child of childrenOf(tree, node)) {
      if (best < 0 || tree.confidences[child] > tree.confidences[best]) best = child;
    }
    if (best < 0) return nodes;
    nodes.push(best);
    node = best;
  }
}
