import {
  createRng,
  type Distribution,
  logProbabilityOf,
  probabilityOf,
  sample,
  sampleGumbel,
  truncateLaw,
} from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import { expect, test } from "vitest";

const sparse: Distribution = {
  ids: Int32Array.of(2, 5, 9),
  probs: Float32Array.of(0.5, 0.3, 0.2),
};
const dense: Distribution = { ids: null, probs: Float32Array.of(0.5, 0, 0.3, 0.2) };

function allProbabilities(law: Distribution): number[] {
  return Array.from({ length: 11 }, (_, id) => probabilityOf(law, id));
}

test("probabilityOf finds the support and nothing else", () => {
  const [half, third, fifth] = sparse.probs;
  expect(allProbabilities(sparse)).toEqual([0, 0, half, 0, 0, third, 0, 0, 0, fifth, 0]);
  expect(allProbabilities(dense)).toEqual([half, 0, third, fifth, 0, 0, 0, 0, 0, 0, 0]);
  expect(probabilityOf(dense, -1)).toBe(0);
  expect(logProbabilityOf(sparse, 2)).toBeCloseTo(Math.log(0.5), 9);
  expect(logProbabilityOf(sparse, 3)).toBe(-Infinity);
});

test.each([
  ["sample", sample],
  ["sampleGumbel", sampleGumbel],
])("%s has exactly the law", async (_, draw) => {
  const outcomes = await exactLaw((key) => draw(sparse, key.at(0, "sample")));
  expect([...outcomes.keys()].toSorted()).toEqual(["2", "5", "9"]);
  expect(outcomes.get("2")).toBeCloseTo(0.5, 6);
  expect(outcomes.get("5")).toBeCloseTo(0.3, 6);
});

test("sampleGumbel draws a sparse law as its dense twin", () => {
  const twin: Distribution = { ids: null, probs: new Float32Array(10) };
  sparse.probs.forEach((p, j) => (twin.probs[sparse.ids![j]] = p));
  for (let position = 0; position < 200; position++) {
    const stream = createRng(4).at(position, "sample");
    expect(sampleGumbel(sparse, stream)).toBe(sampleGumbel(twin, stream));
  }
});

test("truncateLaw keeps the likeliest and renormalizes", () => {
  const two = truncateLaw(dense, 2);
  expect([...two.ids!]).toEqual([0, 2]);
  expect(two.probs[0]).toBeCloseTo(0.625, 6);
  expect([...truncateLaw(dense, 4).ids!]).toEqual([0, 2, 3]);
  expect([...truncateLaw(sparse, 1).ids!]).toEqual([2]);
  expect(truncateLaw(sparse, 3)).toBe(sparse);
  expect(() => truncateLaw(sparse, 0)).toThrow("truncateLaw: size must be at least 1, got 0");
});

test("no mass", () => {
  const none: Distribution = { ids: null, probs: new Float32Array(2) };
  const stream = createRng(1).at(0, "sample");
  expect(() => sample(none, stream)).toThrow("categorical: none of 2 weights is positive");
  expect(() => sampleGumbel(none, stream)).toThrow("gumbel: all 2 logits are masked");
  expect(() => truncateLaw(none, 1)).toThrow("truncateLaw: none of 2 probabilities is positive");
});
