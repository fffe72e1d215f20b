/**
 * Sequoia: the fixed tree of a given number of nodes that is expected to give most tokens, and the number of nodes that pays on a machine.
 *
 * Chen et al., "Sequoia: Scalable, Robust, and Hardware-aware Speculative Decoding", 2024, arXiv:2402.12374.
 *
 * f_j is the chance that the j-th child of a reached node is the accepted one. A node is worth the product of the f of the ranks on its path; a
 * tree emits 1 + the sum over its nodes. For a subtree of n nodes whose root has children of ranks j and later, the dynamic program is
 * V(n, d, j) = max over y of f_j (1 + V(y - 1, d - 1, 1)) + V(n - y, d, j + 1). Where f does not increase, the n nodes of largest product, best
 * first, are the same tree. The size minimizes (d draftMs + T(1 + n)) / (1 + V) over n and d, T measured.
 *
 * Departures: the program counts the root of a tree as no node, and its ranks from the first, where the authors count down.
 */
import { type Distribution, InvalidArgumentError, probabilityOf } from "@veridraft/core-probs";
import { type ChildChoice, withoutToken } from "./child-choice.ts";
import type { DraftLaw } from "./drafter.ts";
import { type Costs, costOf } from "./costs.ts";
import type { TreeTemplate } from "./token-recycling.ts";
import { childrenOf, type DraftTree, pathTo, treeDepths } from "./tree.ts";

/** Observations that a prior counts for. */
const priorWeight = 4;

/** Counts how often the child of each rank is the accepted one, given that its parent was reached. */
export class RankAcceptance {
  readonly #reached: Float64Array;
  readonly #accepted: Float64Array;

  /** @param width Most children of a node, at least 1. @param prior [width] rates that count as four observations each; default none. */
  constructor(width: number, prior: ArrayLike<number> | null = null) {
    if (!Number.isInteger(width) || width < 1) {
      throw new InvalidArgumentError(
        `RankAcceptance: width must be an integer of at least 1, got ${width}`,
      );
    }
    this.#reached = new Float64Array(width).fill(prior ? priorWeight : 0);
    this.#accepted = Float64Array.from(
      { length: width },
      (_, j) => priorWeight * (prior?.[j] ?? 0),
    );
  }

  /** Counts the children of the root and of every accepted node. */
  observe(tree: DraftTree, path: ArrayLike<number>): void {
    for (let depth = 0; depth <= path.length; depth++) {
      const children = childrenOf(tree, depth === 0 ? -1 : path[depth - 1]);
      children.slice(0, this.#reached.length).forEach((child, rank) => {
        this.#reached[rank]++;
        if (child === path[depth]) this.#accepted[rank]++;
      });
    }
  }

  /** [width] f by rank; 0 for a rank that was never drafted. */
  get rates(): Float64Array {
    return this.#accepted.map((count, rank) => count / Math.max(1, this.#reached[rank]));
  }
}

/** Expected tokens of a round with this tree: 1 + the sum of the path products of `rates`, which are 0 beyond their end. */
export function treeValue({ parents, ranks }: TreeTemplate, rates: ArrayLike<number>): number {
  const products = new Float64Array(parents.length);
  let value = 1;
  parents.forEach((parent, i) => {
    products[i] = (rates[ranks[i]] ?? 0) * (parent < 0 ? 1 : products[parent]);
    value += products[i];
  });
  return value;
}

/**
 * The `nodes` nodes of largest product, at most `maxDepth` deep; ties: the one whose parent came first. The best tree where `rates` do not increase.
 *
 * @throws InvalidArgumentError where they increase.
 */
export function bestFirstTree(
  rates: ArrayLike<number>,
  nodes: number,
  maxDepth = Infinity,
): TreeTemplate {
  for (let rank = 1; rank < rates.length; rank++) {
    if (rates[rank] > rates[rank - 1]) {
      throw new InvalidArgumentError(
        `bestFirstTree: rates must not increase, got ${rates[rank]} after ${rates[rank - 1]}; use sequoiaTree`,
      );
    }
  }
  const parents: number[] = [];
  const ranks: number[] = [];
  const open = [{ parent: -1, rank: 0, depth: 1, above: 1 }];
  const worth = ({ rank, above }: { rank: number; above: number }): number => above * rates[rank];
  while (parents.length < nodes && open.length > 0) {
    let best = 0;
    for (let i = 1; i < open.length; i++) if (worth(open[i]) > worth(open[best])) best = i;
    const [node] = open.splice(best, 1);
    const { parent, rank, depth, above } = node;
    const index = parents.push(parent) - 1;
    ranks.push(rank);
    if (rank + 1 < rates.length) open.push({ parent, rank: rank + 1, depth, above });
    if (depth < maxDepth)
      open.push({ parent: index, rank: 0, depth: depth + 1, above: worth(node) });
  }
  return { parents: Int32Array.from(parents), ranks: Int32Array.from(ranks) };
}

/** The best tree of at most `nodes` nodes and `maxDepth` levels for any rates, by the dynamic program; nodes^2 * maxDepth * rates steps. */
export function sequoiaTree(
  rates: ArrayLike<number>,
  nodes: number,
  maxDepth = nodes,
): TreeTemplate {
  const depths = Math.min(maxDepth, nodes);
  const width = rates.length;
  const at = (n: number, d: number, j: number): number => (n * (depths + 1) + d) * (width + 1) + j;
  const values = new Float64Array((nodes + 1) * (depths + 1) * (width + 1));
  /** Nodes of the subtree of child j, itself included; 0 where the child is left out, and with it all later ones. */
  const sizes = new Int32Array(values.length);
  for (let d = 1; d <= depths; d++) {
    for (let j = width - 1; j >= 0; j--) {
      for (let n = 1; n <= nodes; n++) {
        for (let y = 1; y <= n; y++) {
          const below = rates[j] * (1 + values[at(y - 1, d - 1, 0)]);
          const value = below + values[at(n - y, d, j + 1)];
          if (value > values[at(n, d, j)]) {
            values[at(n, d, j)] = value;
            sizes[at(n, d, j)] = y;
          }
        }
      }
    }
  }
  const parents: number[] = [];
  const ranks: number[] = [];
  const place = (parent: number, n: number, d: number): void => {
    for (let j = 0, left = n; j < width && sizes[at(left, d, j)] > 0; j++) {
      const size = sizes[at(left, d, j)];
      const node = parents.push(parent) - 1;
      ranks.push(j);
      place(node, size - 1, d - 1);
      left -= size;
    }
  };
  place(-1, nodes, depths);
  return { parents: Int32Array.from(parents), ranks: Int32Array.from(ranks) };
}

/**
 * The tree of most expected tokens per ms on a machine: (depth * draftMs + T(1 + nodes)) / value is least. The empty tree where no tree pays.
 *
 * @param draftMs Of one forward of the draft: a level of the tree. @param costs T by rows, measured.
 */
export function chooseTree(
  rates: ArrayLike<number>,
  draftMs: number,
  costs: Costs,
  maxNodes: number,
): TreeTemplate {
  let best = sequoiaTree(rates, 0);
  let least = costOf(costs, 1);
  for (let nodes = 1; nodes <= maxNodes; nodes++) {
    for (let depth = 1; depth <= nodes; depth++) {
      const tree = sequoiaTree(rates, nodes, depth);
      const ms = depth * draftMs + costOf(costs, 1 + tree.parents.length);
      const perToken = ms / treeValue(tree, rates);
      if (perToken < least) {
        best = tree;
        least = perToken;
      }
    }
  }
  return best;
}

/**
 * Fills a template with children of the draft: rank j is the j-th that `choice` gives. Nodes whose law is used up, and those below them, are left
 * out.
 *
 * @param template Siblings in the order of their ranks, without gaps. @param expand q after a path of tokens; asked once for each inner node.
 */
export async function fillTree(
  template: TreeTemplate,
  rootLaw: Distribution,
  expand: (path: Int32Array) => Promise<Distribution> | Distribution,
  choice: ChildChoice,
): Promise<DraftTree> {
  const shape = { ...template, tokens: template.ranks };
  const depths = treeDepths({ ...shape, laws: [], confidences: new Float32Array(0) });
  const tokens: number[] = [];
  const parents: number[] = [];
  const laws: DraftLaw[] = [];
  const confidences: number[] = [];
  const tree = (): DraftTree => ({
    tokens: Int32Array.from(tokens),
    parents: Int32Array.from(parents),
    laws,
    confidences: Float32Array.from(confidences),
  });
  /** Template node -> node; the law that a node's next child comes from. */
  const places = new Map([[-1, -1]]);
  const rests = new Map<number, Distribution | null>([[-1, rootLaw]]);
  for (let i = 0; i < template.parents.length; i++) {
    const parent = places.get(template.parents[i]);
    if (parent === undefined) continue;
    let rest = rests.get(parent);
    if (rest === undefined) {
      const path = Int32Array.from(pathTo(tree(), parent), (node) => tokens[node]);
      // oxlint-disable-next-line no-await-in-loop -- a law depends on the tokens above it
      rest = await expand(path);
    }
    if (rest === null) continue;
    const token = choice.next(rest, depths[i]);
    const node = tokens.push(token) - 1;
    parents.push(parent);
    laws.push(choice.drawn ? rest : null);
    confidences.push(Math.min(1, probabilityOf(rest, token)));
    places.set(i, node);
    rests.set(parent, withoutToken(rest, token));
  }
  return tree();
}
