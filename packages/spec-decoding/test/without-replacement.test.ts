import { createRng, probabilityOf } from "@veridraft/core-probs";
import { sampleWithoutReplacement, specInfer, withoutReplacement } from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import {
  constantPair,
  dense,
  dyadic,
  expectedTokens,
  lawError,
  shapes,
  sparse,
  toy3,
} from "./drawn-trees.ts";

const draws = "without replacement";

describe("sampleWithoutReplacement", () => {
  test("laws are the draft's without the earlier siblings, then uniform over what is unused", () => {
    const q = sparse([0, 0.75, 0.25, 0, 0]);
    const { tokens, laws } = sampleWithoutReplacement(q, 9, 5, createRng(3).at(0, "draft"));
    expect(tokens.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(laws[0]).toBe(q);
    expect(probabilityOf(laws[1], tokens[0])).toBe(0);
    expect(probabilityOf(laws[1], tokens[1])).toBe(1);
    const unused = [0, 3, 4];
    expect(unused.map((id) => probabilityOf(laws[2], id))).toEqual(
      unused.map(() => Math.fround(1 / 3)),
    );
    expect(probabilityOf(laws[3], tokens[2])).toBe(0);
    expect(probabilityOf(laws[4], tokens[4])).toBe(1);
  });
});

// Baselines, V3: acceptance of k siblings; the last pair uses up q.
test.each([
  [
    [0.5, 0.3, 0.2],
    [0.2, 0.5, 0.3],
    [0.7, 283 / 350, 1],
  ],
  [
    [0.1, 0.2, 0.3, 0.4],
    [0.4, 0.3, 0.2, 0.1],
    [3 / 5, 107 / 140, 14117 / 16800, 1],
  ],
  [
    [0.5, 0.3, 0.2],
    [0.9, 0.1, 0],
    [0.6, 0.8, 1],
  ],
])("acceptance of k siblings, p = %o, q = %o", async (p, q, expected) => {
  const pair = constantPair(dense(p), sparse(q));
  for (const [i, acceptance] of expected.entries()) {
    const tokens = await expectedTokens(withoutReplacement, pair, [i + 1], draws);
    expect(tokens).toBeCloseTo(1 + acceptance, 6);
    expect(await lawError(withoutReplacement, pair, [i + 1], draws)).toBeLessThan(1e-7);
  }
});

test.each([
  [[2, 1], 2.3746],
  [[1, 2], 2.3371],
])("TOY3, shape %o: %f tokens a round", async (shape, expected) => {
  expect(await expectedTokens(withoutReplacement, toy3, shape, draws)).toBeCloseTo(expected, 4);
});

test.each(shapes.map((shape) => [shape]))("the law of shape %o is the target's", async (shape) => {
  expect(await lawError(withoutReplacement, dyadic, shape, draws)).toBeLessThan(1e-9);
});

test("keeps more than independent siblings do", async () => {
  for (const shape of [[2], [2, 1], [3]]) {
    const independent = await expectedTokens(specInfer, dyadic, shape);
    const different = await expectedTokens(withoutReplacement, dyadic, shape, draws);
    expect(different).toBeGreaterThan(independent);
  }
});
