import { createRng } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import { chain, specInfer, traversalVerification } from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import {
  constantPair,
  dense,
  type Draws,
  dyadic,
  expectedTokens,
  lawError,
  shapes,
  sparse,
  toy3,
} from "./drawn-trees.ts";

// Baselines, V7: expected tokens of TOY3, top-down and by traversal.
test.each<[number[], Draws, number, number]>([
  [[2, 1], "independent", 2.292, 2.362],
  [[2, 1], "without replacement", 2.3746, 2.4446],
  [[1, 2], "without replacement", 2.3371, 2.3671],
  [[1, 1], "independent", 2.19, 2.26],
])("TOY3, shape %o, %s: %f -> %f tokens a round", async (shape, draws, topDown, traversal) => {
  expect(await expectedTokens(specInfer, toy3, shape, draws)).toBeCloseTo(topDown, 4);
  expect(await expectedTokens(traversalVerification, toy3, shape, draws)).toBeCloseTo(traversal, 4);
});

describe.each<Draws>(["independent", "without replacement"])("%s", (draws) => {
  test.each(shapes.map((shape) => [shape]))(
    "the law of shape %o is the target's",
    async (shape) => {
      expect(await lawError(traversalVerification, dyadic, shape, draws)).toBeLessThan(1e-9);
    },
  );

  test("keeps at least what top-down tests keep", async () => {
    for (const shape of shapes) {
      const topDown = await expectedTokens(specInfer, dyadic, shape, draws);
      const traversal = await expectedTokens(traversalVerification, dyadic, shape, draws);
      expect(traversal).toBeGreaterThan(topDown - 1e-12);
    }
  });
});

test("equal laws accept everything, disjoint ones nothing", async () => {
  const p = dense([0.5, 0.25, 0.25, 0]);
  expect(await expectedTokens(traversalVerification, constantPair(p, p), [2, 1])).toBe(3);
  const far = constantPair(p, sparse([0, 0, 0, 1]));
  expect(await expectedTokens(traversalVerification, far, [2, 1])).toBe(1);
  expect(await lawError(traversalVerification, far, [2])).toBeLessThan(1e-9);
});

test("chosen siblings are kept with the mass of their tokens", async () => {
  const tree = { ...chain([0, 1], [1, 1]), parents: Int32Array.of(-1, -1) };
  const p = dense([0.5, 0.25, 0.25]);
  const law = await exactLaw((key) => {
    const { path, next } = traversalVerification.verify(tree, () => p, 0, key);
    return path.length === 0 ? `only ${next}` : tree.tokens[path[0]];
  });
  expect([...law].toSorted()).toEqual([
    ["0", 0.5],
    ["1", 0.25],
    ["only 2", 0.25],
  ]);
});

test("a token that its law excludes is an error", () => {
  const tree = chain([2], [1], [sparse([0.5, 0.5, 0])]);
  expect(() => traversalVerification.verify(tree, () => dense([0, 0, 1]), 0, createRng(1))).toThrow(
    "verify: token 2 of node 0 was drafted with probability 0",
  );
});
