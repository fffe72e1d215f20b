import {
  createRng,
  type Distribution,
  processLogits,
  resolveSampling,
  sample,
  truncateLaw,
} from "@veridraft/core-probs";
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
  round,
  shapes,
  sparse,
  toy3,
} from "./drawn-trees.ts";
import { chiSquareZ } from "./support.ts";

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

test("chi-square of two tokens at a vocabulary of 4,096 (p > 1e-3)", () => {
  const vocabSize = 4096;
  const cells = 48;
  const sampling = resolveSampling({ temperature: 0.6 });
  const noise = createRng(3).at(0, "draft");
  // Laws after the empty text, after even tokens and after odd ones; the draft's are off by up to .5 a logit, cut to 64 tokens.
  const laws = [0, 1, 2].map(() => {
    const logits = Float32Array.from(
      { length: vocabSize },
      (_, id) => 8 * noise.uniform() - id / 900,
    );
    const shifted = logits.map((logit) => logit + noise.uniform() - 0.5);
    const p = processLogits(logits, sampling, []);
    return { p, q: truncateLaw(processLogits(shifted, sampling, []), 64) };
  });
  const lawsAfter = (token: number) => laws[token < 0 ? 0 : 1 + (token % 2)];
  const pair = {
    vocabSize,
    p: (token: number) => lawsAfter(token).p,
    q: (token: number) => lawsAfter(token).q,
  };
  const cellsOf = (law: Distribution) => {
    const probs = new Float64Array(cells);
    law.probs.forEach((mass, id) => (probs[id % cells] += mass));
    return probs;
  };
  const [first, even, odd] = laws.map(({ p }) => cellsOf(p));
  const evenMass = laws[0].p.probs.reduce((sum, mass, id) => sum + (id % 2 === 0 ? mass : 0), 0);
  const second = even.map((mass, cell) => evenMass * mass + (1 - evenMass) * odd[cell]);
  const counts = [new Float64Array(cells), new Float64Array(cells)];
  const draws = 3000;
  let accepted = 0;
  for (let seed = 0; seed < draws; seed++) {
    const key = createRng(seed);
    const tokens = round(key, traversalVerification, pair, [3, 2], "without replacement");
    accepted += tokens.length - 1;
    if (tokens.length < 2) tokens.push(sample(pair.p(tokens[0]), key.at(100, "sample")));
    counts[0][tokens[0] % cells]++;
    counts[1][tokens[1] % cells]++;
  }
  expect(accepted).toBeGreaterThan(draws / 2);
  expect(chiSquareZ(counts[0], first, draws)).toBeLessThan(3.09);
  expect(chiSquareZ(counts[1], second, draws)).toBeLessThan(3.09);
});
