import {
  AdjacencyMatrix,
  createTokenRecycling,
  draftTree,
  leafPaths,
  recycle,
  TR_TREE_80,
  treeDepths,
  treeFromChildCounts,
  treeMask,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ask } from "./support.ts";

/** Test vectors of token recycling; node numbers there count the root as 0. */
function toyMatrix(): AdjacencyMatrix {
  const matrix = new AdjacencyMatrix(10, 3);
  const rows = [1, 2, 3, 4, 0, 2, 3, 1, 5, 0, 4, 1, 2, 5, 0, 1, 3, 4];
  matrix.update([0, 1, 2, 3, 4, 5], Int32Array.from(rows));
  return matrix;
}
const toyTemplate = treeFromChildCounts([[3], [2, 1, 0], [1, 0, 0], [0]]);

describe("vectors", () => {
  test("1: tree building", () => {
    const tree = draftTree(toyMatrix(), 0, toyTemplate);
    expect([...tree.tokens]).toEqual([1, 2, 3, 4, 0, 3, 2]);
    expect([...tree.parents]).toEqual([-1, -1, -1, 0, 0, 1, 3]);
    expect([...treeDepths(tree)]).toEqual([1, 1, 1, 2, 2, 2, 3]);
    const mask = treeMask(tree);
    expect(
      Array.from({ length: 8 }, (_, i) => mask.slice(8 * i, 8 * i + 8).join("")).join(" "),
    ).toBe("10000000 11000000 10100000 10010000 11001000 11000100 10100010 11001001");
    expect(leafPaths(tree)).toEqual([[2], [0, 4], [1, 5], [0, 3, 6]]);
  });

  test("3: update, the last write wins", () => {
    const matrix = toyMatrix();
    const tree = draftTree(matrix, 0, toyTemplate);
    recycle(
      matrix,
      0,
      tree,
      Int32Array.from({ length: 24 }, (_, i) => Math.floor(i / 3) + (i % 3)),
    );
    const rows = [0, 1, 2, 3, 4, 5].map((token) => [...matrix.row(token)]);
    expect(rows).toEqual([
      [5, 6, 7],
      [1, 2, 3],
      [7, 8, 9],
      [6, 7, 8],
      [4, 5, 6],
      [1, 3, 4],
    ]);
  });

  test("the tree of 80 nodes: counts, levels, leaves", () => {
    const { parents, ranks } = TR_TREE_80;
    expect(parents).toHaveLength(80);
    const depths: number[] = [];
    parents.forEach((parent) => depths.push(parent < 0 ? 1 : depths[parent] + 1));
    expect([1, 2, 3, 4, 5, 6].map((d) => depths.filter((depth) => depth === d).length)).toEqual([
      8, 21, 25, 15, 8, 3,
    ]);
    expect(parents.map((_, i) => i).filter((i) => !parents.includes(i))).toHaveLength(40);
    expect(Math.max(...ranks)).toBe(7);
  });
});

describe("draftTree", () => {
  test("an unknown root and unknown rows give no children", () => {
    const matrix = new AdjacencyMatrix(10, 3);
    expect(draftTree(matrix, 0).tokens).toHaveLength(0);
    matrix.update([0], Int32Array.of(4, 5, -1));
    const tree = draftTree(matrix, 0);
    expect([...tree.tokens]).toEqual([4, 5]);
    expect([...tree.parents]).toEqual([-1, -1]);
  });

  test("a budget keeps the most promising nodes: first the best child, then its best child", () => {
    expect([...draftTree(toyMatrix(), 0, TR_TREE_80, 1).tokens]).toEqual([1]);
    // .34 and .12 at depth 1, .34^2 = .116 at depth 2.
    expect([...draftTree(toyMatrix(), 0, TR_TREE_80, 2).tokens]).toEqual([1, 2]);
    const three = draftTree(toyMatrix(), 0, TR_TREE_80, 3);
    expect([...three.tokens]).toEqual([1, 2, 4]);
    expect([...three.parents]).toEqual([-1, -1, 0]);
  });

  test("always a tree within the budget", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1, max: 4 }), { minLength: 20, maxLength: 20 }),
        fc.integer({ min: 0, max: 90 }),
        (rows, budget) => {
          const matrix = new AdjacencyMatrix(5, 4);
          matrix.update([0, 1, 2, 3, 4], Int32Array.from(rows));
          const tree = draftTree(matrix, 2, TR_TREE_80, budget);
          expect(tree.tokens.length).toBeLessThanOrEqual(budget);
          tree.parents.forEach((parent, i) => {
            expect(parent).toBeLessThan(i);
            expect([...matrix.row(parent < 0 ? 2 : tree.tokens[parent])]).toContain(tree.tokens[i]);
          });
        },
      ),
    );
  });
});

test("the drafter writes the root's row and those of all nodes", async () => {
  const matrix = new AdjacencyMatrix(10, 2);
  const drafter = createTokenRecycling(matrix);
  expect(drafter.successors).toBe(2);
  const empty = await drafter.propose(ask([3, 7], 8));
  expect(empty.tokens).toHaveLength(0);
  drafter.observe({ tree: empty, path: [], successors: Int32Array.of(1, 2) });
  expect([...matrix.row(7)]).toEqual([1, 2]);
  const tree = await drafter.propose(ask([3, 7], 8));
  expect([...tree.tokens]).toEqual([1, 2]);
  drafter.observe({ tree, path: [1], successors: Int32Array.of(2, 1, 4, 5, 6, 8) });
  expect([7, 1, 2].map((token) => [...matrix.row(token)])).toEqual([
    [2, 1],
    [4, 5],
    [6, 8],
  ]);
});

describe("AdjacencyMatrix", () => {
  test("bytes and back", () => {
    const matrix = toyMatrix();
    const bytes = matrix.toBytes();
    expect(bytes).toHaveLength(16 + 4 * 30);
    const padded = new Uint8Array(bytes.length + 3);
    padded.set(bytes, 3);
    const copy = AdjacencyMatrix.fromBytes(padded.subarray(3));
    for (let token = 0; token < 10; token++) expect(copy.row(token)).toEqual(matrix.row(token));
    copy.clear();
    expect([...copy.row(0)]).toEqual([-1, -1, -1]);
  });

  test("errors", () => {
    const bytes = toyMatrix().toBytes();
    expect(() => AdjacencyMatrix.fromBytes(new Uint8Array(3))).toThrow("not an adjacency matrix");
    expect(() => AdjacencyMatrix.fromBytes(bytes.subarray(0, 100))).toThrow(
      "10 x 3 successors need 136 bytes, got 100",
    );
    bytes[16] = 200;
    expect(() => AdjacencyMatrix.fromBytes(bytes)).toThrow(
      "successors must be in [-1, 10), got 200",
    );
    expect(() => new AdjacencyMatrix(0)).toThrow(
      "vocabSize and k must be integers of at least 1, got 0 and 8",
    );
    expect(() => toyMatrix().row(10)).toThrow("token must be in [0, 10), got 10");
    expect(() => toyMatrix().update([1], Int32Array.of(1))).toThrow(
      "1 tokens need 3 successors, got 1",
    );
    expect(() => treeFromChildCounts([[2], [1]])).toThrow("level 1 has 2 nodes but 1 counts");
  });
});
