import {
  Calibration,
  chain,
  chooseLength,
  chooseNodes,
  chooseTreeSize,
  costOf,
  createSchedule,
  type DraftTree,
  emptyTree,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const flat = [0, 1, 1, 1];

describe("chooseLength", () => {
  // (a, c) -> g of the baselines: drafting a token costs c forwards of the target, whose cost does not depend on its rows.
  test.each([
    [0.7, 0.1, 4],
    [0.8, 0.05, 8],
    // 1.5 / 1.2 = 1.75 / 1.4: a tie with 2, which the baselines name.
    [0.5, 0.2, 1],
  ])("acceptance %f, draft cost %f: %i tokens", (acceptance, draftMs, length) => {
    expect(chooseLength(acceptance, draftMs, flat, 16)).toBe(length);
  });

  test("0 where drafting does not pay", () => {
    expect(chooseLength(0.1, 0.5, flat, 16)).toBe(0);
    expect(chooseLength(0.5, 0, flat, 16, 5)).toBe(0);
    expect(chooseLength(0.5, 0, flat, 0)).toBe(0);
  });
});

describe("chooseTreeSize", () => {
  // Sequoia's worked values: 1.6, 1.96, 2.176, 2.376, 2.5056, 2.6256, 2.7456 expected tokens of 1 to 7 nodes.
  const rates = [0.6, 0.2, 0.1];

  test("worked by hand", () => {
    // A node more costs 1 ms of 10: 1.6 / 10, 1.96 / 11, 2.176 / 12, 2.376 / 13, 2.5056 / 14 = .179, 2.6256 / 15 = .175: best is 4, .1828.
    expect(chooseTreeSize(rates, 0, [0, 10, 10, 11], 16)).toBe(4);
    // With .3 ms more: 1.96 / 11.6 = .16897, 2.176 / 12.9 = .16868.
    expect(chooseTreeSize(rates, 0.3, [0, 10, 10, 11], 16)).toBe(2);
    // A chain of .6 alone: 1.6 / 10, 1.96 / 11 = .178, 2.176 / 12 = .1813, 2.3056 / 13 = .1774.
    expect(chooseTreeSize([0.6], 0, [0, 10, 10, 11], 16)).toBe(3);
    expect(chooseTreeSize(rates, 0, [0, 1, 1, 1], 7)).toBe(7);
    expect(chooseTreeSize(rates, 0, [0, 1, 1, 1], 0)).toBe(0);
  });

  test("a rate that rises counts as the one before it", () => {
    const costs = [0, 10, 10, 11];
    expect(chooseTreeSize([0.3, 0.5], 0, costs, 16)).toBe(chooseTreeSize([0.3, 0.3], 0, costs, 16));
  });
});

test("goodput sizes drawn trees by the chances of siblings, not as a chain", () => {
  const costs = [0, 10, 10, 10.5];
  const schedule = createSchedule({ schedule: "goodput", costs, maxTreeNodes: 32 });
  const q = { ids: null, probs: Float32Array.of(0.5, 0.5) };
  // Two drawn children a node, two levels: the first of a pair is accepted half of the time, the second in three of ten.
  const tree: DraftTree = {
    tokens: Int32Array.of(0, 1, 0, 1),
    parents: Int32Array.of(-1, -1, 0, 0),
    laws: [q, q, q, q],
    confidences: Float32Array.of(0.5, 0.5, 0.5, 0.5),
  };
  for (let i = 0; i < 200; i++) {
    const path = [[0, 2], [0, 3], [1], [1], [1], [0, 2], [0], [0], [], []][i % 10];
    schedule.observe({ tree, path, drafted: 4, draftMs: 0 });
  }
  // Rates .5 and .3 at the root, .4 and .2 below the first child (of five), so about .47 and .27; acceptance by node .34.
  const chainLength = chooseLength(0.34, 0, costs, 32);
  const size = chooseTreeSize([0.47, 0.27], 0, costs, 32);
  expect(chainLength).toBeLessThan(4);
  expect(size).toBeGreaterThan(2 * chainLength);
  expect(Math.abs(schedule.budget() - size)).toBeLessThanOrEqual(1);
});

test("costOf: one row costs what two do, the end of the table goes on as a line", () => {
  const costs = [0, 4, 5, 7, 10];
  expect([1, 2, 3, 4, 5, 7].map((rows) => costOf(costs, rows))).toEqual([5, 5, 7, 10, 13, 19]);
});

/** Flat up to two rows, 2 ms for each further one. */
const steep = [0, 10, 10, 12, 14, 16, 18];

const choose = (probabilities: number[], parents: number[], draftMs = 0) => {
  const tree = {
    ...chain(
      parents,
      parents.map(() => 1),
    ),
    parents: Int32Array.from(parents),
  };
  return [...chooseNodes(tree, probabilities, steep, draftMs)];
};

const rate = (sum: number, count: number) => (1 + sum) / costOf(steep, 1 + count);

describe("chooseNodes", () => {
  test("worked by hand: a chain of .5", () => {
    // Tokens a ms: 1.5 / 10 = .15, 1.75 / 12 = .146.
    expect(choose([0.5, 0.5, 0.5], [-1, 0, 1])).toEqual([0]);
    // With 10 ms already spent: 1.5 / 20 = .075, 1.75 / 22 = .0795, 1.875 / 24 = .0781.
    expect(choose([0.5, 0.5, 0.5], [-1, 0, 1], 10)).toEqual([0, 1]);
  });

  test("takes the largest products, wherever they are", () => {
    // Products .9, .05, .81, .729: tokens a ms .19, then 2.71 / 12 = .226, 3.439 / 14 = .246, 3.489 / 16 = .218.
    expect(choose([0.9, 0.05, 0.9, 0.9], [-1, -1, 0, 2])).toEqual([0, 2, 3]);
  });

  test("at least one node where there is one", () => {
    expect(choose([0], [-1])).toEqual([0]);
    expect(choose([], [])).toEqual([]);
  });

  test("always prefix-closed and the best number of best nodes", () => {
    const node = fc.record({
      parent: fc.nat(),
      probability: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 10 }), (nodes) => {
        const parents = nodes.map(({ parent }, i) => (parent % (i + 1)) - 1);
        const chosen = choose(
          nodes.map(({ probability }) => probability),
          parents,
        );
        for (const i of chosen) expect(parents[i] < 0 || chosen.includes(parents[i])).toBe(true);
        const products: number[] = [];
        parents.forEach((parent, i) =>
          products.push(nodes[i].probability * (parent < 0 ? 1 : products[parent])),
        );
        const best = products.toSorted((a, b) => b - a);
        const rates = best.map((_, i) =>
          rate(
            best.slice(0, i + 1).reduce((a, b) => a + b),
            i + 1,
          ),
        );
        const reached = rate(
          chosen.reduce((sum, i) => sum + products[i], 0),
          chosen.length,
        );
        expect(reached).toBeCloseTo(Math.max(...rates), 12);
      }),
    );
  });
});

describe("Calibration", () => {
  test("starts with the drafter's word and moves to what is measured", () => {
    const calibration = new Calibration();
    expect(calibration.probability(0.93)).toBeCloseTo(0.925, 12);
    expect(calibration.acceptance).toBeCloseTo(0.6, 12);
    const tree = chain([1, 2, 3], [0.93, 0.93, 0.1]);
    for (let round = 0; round < 200; round++) calibration.observe(tree, [0]);
    // The first was accepted, the second rejected, the third never tested.
    expect(calibration.probability(0.93)).toBeCloseTo(0.5, 1);
    expect(calibration.probability(0.1)).toBeCloseTo(0.125, 12);
    expect(calibration.acceptance).toBeCloseTo(0.5, 1);
  });

  test("follows a change", () => {
    const calibration = new Calibration();
    const tree = chain([1], [0.5]);
    for (let round = 0; round < 5000; round++) calibration.observe(tree, []);
    for (let round = 0; round < 1000; round++) calibration.observe(tree, [0]);
    expect(calibration.probability(0.5)).toBeGreaterThan(0.75);
  });
});

const chosen = (size: number, confidence: number): DraftTree =>
  chain(new Int32Array(size).fill(1), new Float32Array(size).fill(confidence));

describe("createSchedule", () => {
  const law = { ids: Int32Array.of(1), probs: Float32Array.of(1) };
  const drawn = (size: number): DraftTree =>
    chain(
      new Int32Array(size).fill(1),
      new Float32Array(size).fill(0.5),
      Array.from({ length: size }, () => law),
    );
  const dear = Array.from({ length: 20 }, (_, rows) => 10 + 4 * Math.max(0, rows - 2));

  test("a fixed number is neither trimmed nor changed", () => {
    const schedule = createSchedule({ numSpeculativeTokens: 6, costs: dear });
    const tree = chosen(6, 0.01);
    expect(schedule.budget()).toBe(6);
    expect(schedule.select(tree, 0)).toBe(tree);
    expect(createSchedule().budget()).toBe(4);
  });

  test("chosen nodes: a free drafter fills the tree, what does not pay is left out", () => {
    const schedule = createSchedule({ costs: dear });
    expect(schedule.budget()).toBeLessThan(16);
    const tree = schedule.select(chosen(4, 0.1), 0);
    expect(tree.tokens).toHaveLength(1);
    schedule.observe({ tree, path: [], drafted: 4, draftMs: 0.01 });
    expect(schedule.budget()).toBe(16);
    expect(
      createSchedule({ costs: dear, maxTreeNodes: 5 }).select(chosen(4, 0.97), 0).tokens,
    ).toHaveLength(4);
  });

  test("drawn nodes: never trimmed, their number follows acceptance and the drafter's cost", () => {
    const schedule = createSchedule({ costs: Array.from({ length: 20 }, () => 10) });
    const tree = drawn(8);
    expect(schedule.select(tree, 0)).toBe(tree);
    for (let i = 0; i < 100; i++) {
      schedule.observe({ tree, path: [0, 1, 2, 3, 4, 5, 6, 7], drafted: 8, draftMs: 8 });
    }
    expect(schedule.budget()).toBe(16);
    for (let i = 0; i < 500; i++) schedule.observe({ tree, path: [], drafted: 8, draftMs: 80 });
    const asked = Array.from({ length: 32 }, () => schedule.budget());
    expect(asked.filter((budget) => budget === 0)).toHaveLength(30);
    expect(asked.filter((budget) => budget === 1)).toHaveLength(2);
  });

  test("errors", () => {
    expect(() => createSchedule({ numSpeculativeTokens: 0 })).toThrow(
      "createSchedule: numSpeculativeTokens: ",
    );
    expect(() => createSchedule({ costs: [0, 1] })).toThrow(
      "createSchedule: costs must hold at least 3 entries",
    );
    expect(() => createSchedule({ costs: [0, 1, -2] })).toThrow("got 0 1 -2");
  });
});

test("a drafter that costs more than it wins is asked one round in eight", () => {
  const schedule = createSchedule({ costs: [0, 10, 10, 11, 12] });
  let asked = 0;
  for (let round = 0; round < 200; round++) {
    if (schedule.budget() === 0) continue;
    asked++;
    schedule.observe({ tree: emptyTree, path: [], drafted: 0, draftMs: 1 });
  }
  // 2.5 ms of credit and 1 ms a round: 2.5 * .9^n < 1 - .9^n from n = 12 on; of the other 188 rounds the second, the fourth and every eighth.
  expect(asked).toBe(12 + 2 + 23);
});

test("a drafter that did not pay for the last text has no credit in the next", () => {
  const costs = [0, 10, 10, 11, 12];
  const calibration = new Calibration();
  const first = createSchedule({ costs, calibration });
  for (let i = 0; i < 20; i++) {
    first.observe({ tree: emptyTree, path: [], drafted: 0, draftMs: 1 });
  }
  const next = createSchedule({ costs, calibration });
  let asked = 0;
  for (let round = 0; round < 16; round++) {
    if (next.budget() === 0) continue;
    asked++;
    next.observe({ tree: emptyTree, path: [], drafted: 0, draftMs: 1 });
  }
  expect(asked).toBe(5);
});

test("a drafter whose cost is the asking fills the tree, however little its proposals vary in size", () => {
  const schedule = createSchedule({ costs: Array.from({ length: 17 }, (_, rows) => 12 + rows) });
  const tree = chosen(1, 0.9);
  for (let i = 0; i < 10; i++) schedule.observe({ tree, path: [0], drafted: 1, draftMs: 1 });
  expect(schedule.budget()).toBeGreaterThan(4);
});
