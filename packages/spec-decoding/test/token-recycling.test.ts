import { createRng, InvalidArgumentError, topK } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import {
  AdjacencyMatrix,
  createTokenRecycling,
  draftTree,
  leafPaths,
  learnText,
  recycle,
  sampleAndMatch,
  TR_TREE_80,
  treeDepths,
  treeFromChildCounts,
  treeMask,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ask, finish, randomRows } from "./support.ts";

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

  test("2: accept", () => {
    const tree = draftTree(toyMatrix(), 0, toyTemplate);
    const argmaxes = [1, 4, 3, 2, 2, 5, 3, 5];
    const target = (node: number) => ({
      ids: Int32Array.of(argmaxes[node + 1]),
      probs: Float32Array.of(1),
    });
    const { path, next } = sampleAndMatch.verify(tree, target, 1, createRng(1));
    // Nodes 1, 4, 7 of the source, tokens 1, 4, 2, then the bonus 5: four tokens.
    expect(path).toEqual([0, 3, 6]);
    expect(path.map((node) => tree.tokens[node])).toEqual([1, 4, 2]);
    expect(next).toBe(5);
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

describe("what the matrix starts with", () => {
  const rows = randomRows(12, 4);
  const target = tableModel(rows, { contextLength: 64 });
  const best = (token: number, k: number) => [...topK(Float32Array.from(rows[token]), k)];
  const text = Array.from({ length: 50 }, (_, i) => (5 * i + (i >> 2)) % 9);

  test("learnText writes the row of every token, a forward of 16 tokens at a time", async () => {
    const matrix = new AdjacencyMatrix(12, 3);
    await learnText(matrix, target, text);
    for (let token = 0; token < 9; token++) expect([...matrix.row(token)]).toEqual(best(token, 3));
    for (let token = 9; token < 12; token++) expect([...matrix.row(token)]).toEqual([-1, -1, -1]);
    await learnText(matrix, target, []);
    const other = learnText(new AdjacencyMatrix(11), target, text);
    await expect(other).rejects.toThrow(
      "learnText: the matrix must be of the model's 12 tokens, got 11",
    );
  });

  test("hot and filled from the prompt accept at least as much as cold", async () => {
    const accepted = async (matrix: AdjacencyMatrix) => {
      const { summary } = await finish(target, text.slice(0, 20), {
        key: createRng(2),
        drafter: createTokenRecycling(matrix),
        sampling: { temperature: 1 },
        maxTokens: 40,
        numSpeculativeTokens: 8,
      });
      return summary.statistics.meanAcceptanceLength;
    };
    const matrix = new AdjacencyMatrix(12, 3);
    const cold = await accepted(matrix);
    const hot = await accepted(matrix);
    const filled = new AdjacencyMatrix(12, 3);
    await learnText(filled, target, text.slice(0, 20));
    expect(hot).toBeGreaterThan(cold);
    expect(await accepted(filled)).toBeGreaterThan(cold);
    const loaded = AdjacencyMatrix.fromBytes(matrix.toBytes());
    expect(await accepted(loaded)).toBe(await accepted(matrix));
  });
});

describe("AdjacencyMatrix", () => {
  test("bytes and back", () => {
    const matrix = toyMatrix();
    const bytes = matrix.toBytes();
    expect(bytes).toHaveLength(20 + 4 * 30);
    const padded = new Uint8Array(bytes.length + 3);
    padded.set(bytes, 3);
    const copy = AdjacencyMatrix.fromBytes(padded.subarray(3));
    for (let token = 0; token < 10; token++) expect(copy.row(token)).toEqual(matrix.row(token));
    copy.clear();
    expect([...copy.row(0)]).toEqual([-1, -1, -1]);
  });

  test("any damaged byte is noticed", () => {
    const bytes = toyMatrix().toBytes();
    for (let i = 0; i < bytes.length; i++) {
      const copy = bytes.slice();
      copy[i] ^= 1 << (i % 8);
      expect(() => AdjacencyMatrix.fromBytes(copy)).toThrow(InvalidArgumentError);
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(() => AdjacencyMatrix.fromBytes(bytes.subarray(0, length))).toThrow(
        InvalidArgumentError,
      );
    }
  });

  test("errors", () => {
    const bytes = toyMatrix().toBytes();
    const changed = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return copy;
    };
    expect(() => AdjacencyMatrix.fromBytes(new Uint8Array(3))).toThrow(
      "AdjacencyMatrix.fromBytes: not an adjacency matrix; give what toBytes returned",
    );
    expect(() => AdjacencyMatrix.fromBytes(changed(4, 1))).toThrow(
      "AdjacencyMatrix.fromBytes: version must be 2, got 1; save the matrix again",
    );
    expect(() => AdjacencyMatrix.fromBytes(bytes.subarray(0, 100))).toThrow(
      "AdjacencyMatrix.fromBytes: 10 x 3 successors need 140 bytes, got 100; save the matrix again",
    );
    expect(() => AdjacencyMatrix.fromBytes(changed(20, 7))).toThrow(
      /^AdjacencyMatrix.fromBytes: checksum must be -?\d+, got -?\d+; save the matrix again$/,
    );
    const wrong = new AdjacencyMatrix(2, 1);
    wrong.update([1], Int32Array.of(5));
    expect(() => AdjacencyMatrix.fromBytes(wrong.toBytes())).toThrow(
      "AdjacencyMatrix.fromBytes: successors must be in [-1, 2), got 5; save the matrix again",
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
