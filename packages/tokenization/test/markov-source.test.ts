import { createRng, entropy } from "@veridraft/core-probs";
import { dirichletSource, matrixSource, switchingSource } from "@veridraft/tokenization/systems";
import { expect, test } from "vitest";

const rng = () => createRng(1).at(0, "sample");

// h(x) in nats, from the source: the entropy rate where p = q = x.
test.each([
  [0.2, 0.5004024235],
  [0.1, 0.3250829734],
  [0.05, 0.1985152433],
  [0.01, 0.0560015344],
])("h(%f) = %f at every order", (x, h) => {
  for (const order of [1, 2, 4]) {
    const source = switchingSource(order, 1 - x, 1 - x);
    expect(source.entropyRate).toBeCloseTo(h, 9);
    expect(source.stationaryEntropy).toBeCloseTo(Math.LN2, 9);
    expect(source.minTransition).toBeCloseTo(x, 12);
    expect(source.order).toBe(order);
  }
});

// pi(1) = p / (p + q), H = (q h(p) + p h(q)) / (p + q).
test("unequal switching", () => {
  const { stationary, entropyRate } = switchingSource(1, 0.2, 0.6);
  expect([...stationary]).toEqual([expect.closeTo(0.75, 9), expect.closeTo(0.25, 9)]);
  expect(entropyRate).toBeCloseTo((0.6 * entropy([0.2, 0.8]) + 0.2 * entropy([0.6, 0.4])) / 0.8, 9);
});

test("three letters: pi = 1/4, 1/2, 1/4 and its entropy is half of ln 8", () => {
  const source = matrixSource([
    [0.9, 0.1, 0],
    [0.05, 0.9, 0.05],
    [0, 0.1, 0.9],
  ]);
  expect([...source.stationary]).toEqual([0.25, 0.5, 0.25].map((p) => expect.closeTo(p, 9)));
  expect(source.stationaryEntropy).toBeCloseTo(Math.log(8) / 2, 9);
  expect(source.entropyRate).toBeCloseTo(
    0.1 * Math.log(Math.SQRT2 / 0.1) + 0.9 * Math.log(1 / 0.9),
    9,
  );
  expect(Math.exp(source.logProb("01"))).toBeCloseTo(0.025, 9);
  expect(source.logProb("02")).toBe(-Infinity);
});

test("a text has the law of its source", () => {
  const source = dirichletSource(3, 2, rng());
  const text = source.sample(100_000, rng());
  // The entropy rate is the mean loss of the true model: 1 / length of -ln P, up to the start.
  expect(source.entropyRate).toBeGreaterThan(0);
  for (const pair of ["00", "12", "21"]) {
    const count = [...text].filter((_, i) => text.startsWith(pair, i)).length;
    expect(Math.abs(count / text.length - Math.exp(source.logProb(pair)))).toBeLessThan(0.01);
  }
});

test("errors", () => {
  expect(() => matrixSource([[1]])).toThrow(
    "matrixSource: 1 rows are no power of their 1 letters, of which there must be 2 or more",
  );
  expect(() =>
    matrixSource([
      [0.5, 0.4],
      [0.5, 0.5],
    ]),
  ).toThrow("matrixSource: row 0 must be probabilities with sum 1, got 0.5 0.4");
  expect(() => switchingSource(0, 0.5, 0.5)).toThrow(
    "switchingSource: order must be an integer of at least 1, got 0",
  );
  expect(() => switchingSource(1, 0, 0.5)).toThrow(
    "switchingSource: p and q must be in (0, 1), got 0 and 0.5",
  );
});
