import {
  bestChain,
  chain,
  checkTree,
  childrenOf,
  type DraftTree,
  emptyTree,
  isChain,
  leafPaths,
  pathTo,
  selectNodes,
  treeDepths,
  treeMask,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";

function treeOf(tokens: number[], parents: number[]): DraftTree {
  return {
    tokens: Int32Array.from(tokens),
    parents: Int32Array.from(parents),
    laws: tokens.map(() => null),
    confidences: new Float32Array(tokens.length).fill(0.5),
  };
}

/** Test vector 1 of token recycling without its root: tokens 0 | 1 2 3 | 4 0 3 | 2. */
const tree = treeOf([1, 2, 3, 4, 0, 3, 2], [-1, -1, -1, 0, 0, 1, 3]);

describe("shape", () => {
  test("depths, children, paths", () => {
    expect([...treeDepths(tree)]).toEqual([1, 1, 1, 2, 2, 2, 3]);
    expect(childrenOf(tree, -1)).toEqual([0, 1, 2]);
    expect(childrenOf(tree, 0)).toEqual([3, 4]);
    expect(pathTo(tree, 6)).toEqual([0, 3, 6]);
    expect(pathTo(tree, -1)).toEqual([]);
    // The vector's leaf paths [0,3] [0,1,5] [0,2,6] [0,1,4,7], without the root and in our numbers.
    expect(leafPaths(tree)).toEqual([[2], [0, 4], [1, 5], [0, 3, 6]]);
    expect(leafPaths(emptyTree)).toEqual([]);
  });

  test("mask, the root first", () => {
    const mask = treeMask(tree);
    const rows = Array.from({ length: 8 }, (_, i) => mask.slice(8 * i, 8 * i + 8).join(""));
    expect(rows.join(" ")).toBe(
      "10000000 11000000 10100000 10010000 11001000 11000100 10100010 11001001",
    );
    expect([...treeMask(emptyTree)]).toEqual([1]);
  });

  test("chains", () => {
    expect(isChain(chain([7, 8, 9], [1, 1, 1]))).toBe(true);
    expect(isChain(emptyTree)).toBe(true);
    expect(isChain(tree)).toBe(false);
    expect([...treeMask(chain([7, 8], [1, 1]))]).toEqual([1, 0, 0, 1, 1, 0, 1, 1, 1]);
    expect(() => chain([1], [])).toThrow("chain: 1 tokens but 0 confidences and 1 laws");
  });
});

describe("selectNodes", () => {
  test("re-indexes a prefix-closed part", () => {
    const part = selectNodes(tree, [0, 1, 3, 6]);
    expect([...part.tokens]).toEqual([1, 2, 4, 2]);
    expect([...part.parents]).toEqual([-1, -1, 0, 2]);
    expect(selectNodes(tree, [])).toEqual(emptyTree);
  });

  test("errors", () => {
    expect(() => selectNodes(tree, [3])).toThrow(
      "selectNodes: nodes must ascend and hold their parents, got 3",
    );
    expect(() => selectNodes(tree, [1, 0])).toThrow("got 1 0");
  });
});

describe("checkTree", () => {
  const law = { ids: Int32Array.of(1, 4), probs: Float32Array.of(0.5, 0.5) };
  const sampled = (change: Partial<DraftTree>) => ({ ...chain([1], [1], [law]), ...change });

  test("accepts what it should", () => {
    checkTree(tree, 5);
    checkTree(emptyTree, 1, 0);
    checkTree(sampled({}), 5, 1);
    expect(() => checkTree(tree, 5, 7)).not.toThrow();
  });

  test.each<[DraftTree, string]>([
    [treeOf([5], [-1]), "the token of node 0 must be in [0, 5), got 5"],
    [treeOf([-1], [-1]), "the token of node 0 must be in [0, 5), got -1"],
    [treeOf([1, 1], [-1, 1]), "the parent of node 1 must be in [-1, 1), got 1"],
    [
      sampled({ confidences: Float32Array.of(2) }),
      "the confidence of node 0 must be in [0, 1], got 2",
    ],
    [sampled({ laws: [] }), "1 tokens but 1 parents, 0 laws and 1 confidences"],
    [
      sampled({ tokens: Int32Array.of(2) }),
      "the token's probability of node 0 must be above 0, got 0",
    ],
    [
      sampled({ laws: [{ ids: Int32Array.of(4, 1), probs: law.probs }] }),
      "the law's ids of node 0 must be ascending in [0, 5), got 1",
    ],
    [sampled({ laws: [{ ids: Int32Array.of(1, 5), probs: law.probs }] }), "got 5"],
    [
      sampled({ laws: [{ ids: law.ids, probs: Float32Array.of(0.5, 0.4) }] }),
      "the law's sum of node 0 must be 1, got 0.9",
    ],
    [
      sampled({ laws: [{ ids: law.ids, probs: Float32Array.of(1.5, -0.5) }] }),
      "the probabilities of node 0 must be at least 0, got -0.5",
    ],
    [
      sampled({ laws: [{ ids: null, probs: Float32Array.of(1) }] }),
      "the law of node 0 has 1 probabilities for 5 ids",
    ],
  ])("case %#", (bad, message) => {
    expect(() => checkTree(bad, 5)).toThrow(message);
  });

  test("budget", () => {
    expect(() => checkTree(tree, 5, 6)).toThrow("checkTree: 7 nodes exceed the budget of 6");
  });
});

describe("bestChain()", () => {
  test("takes the most confident child at each step, the first of equals", () => {
    const forked: DraftTree = {
      tokens: Int32Array.of(1, 2, 3, 4, 5),
      parents: Int32Array.of(-1, -1, 1, 1, 2),
      laws: [null, null, null, null, null],
      confidences: Float32Array.of(0.3, 0.6, 0.5, 0.5, 0.1),
    };
    expect(bestChain(forked)).toEqual([1, 2, 4]);
    expect(bestChain(emptyTree)).toEqual([]);
  });
});
