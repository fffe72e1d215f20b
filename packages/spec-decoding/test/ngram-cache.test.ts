import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createNgramCache, NgramCounts } from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ask, chiSquareZ, finish, randomRows } from "./support.ts";

function counted(...texts: number[][]): NgramCounts {
  const counts = new NgramCounts();
  for (const text of texts) text.forEach((_, place) => counts.add(text, place));
  return counts;
}

function lawOf(counts: NgramCounts, ids: number[]): Record<number, number> {
  const law = counts.lawAfter(ids);
  return Object.fromEntries(Array.from(law?.ids ?? [], (id, j) => [id, law?.probs[j] ?? 0]));
}

describe("NgramCounts", () => {
  test("the law by hand", () => {
    // After 2: 3, 3, 4. After [1, 2]: 3, 4, of two kinds.
    const counts = counted([1, 2, 3], [5, 2, 3], [1, 2, 4]);
    const expected = { 3: 2 / 3, 4: 1 / 3 };
    for (const [token, prob] of Object.entries(lawOf(counts, [2]))) {
      expect(prob).toBeCloseTo(expected[Number(token) as 3 | 4], 6);
    }
    // (1 + 2 * 2/3) / 4 and (1 + 2 * 1/3) / 4.
    expect(lawOf(counts, [1, 2])[3]).toBeCloseTo(7 / 12, 6);
    expect(lawOf(counts, [1, 2])[4]).toBeCloseTo(5 / 12, 6);
    // [5, 2] has one follower: (1 + 2/3) / 2 and (1/3) / 2; [9, 2] and [9, 5, 2] are new.
    expect(lawOf(counts, [5, 2])[3]).toBeCloseTo(5 / 6, 6);
    expect(lawOf(counts, [9, 5, 2])[3]).toBeCloseTo(5 / 6, 6);
    expect(lawOf(counts, [9, 2])[3]).toBeCloseTo(2 / 3, 6);
    expect(counts.lawAfter([4])).toBeNull();
    expect(counts.lawAfter([])).toBeNull();
  });

  test("always a law: ascending ids, sum 1", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 2, maxLength: 60 }), (ids) => {
        const law = counted(ids).lawAfter(ids.slice(0, -1));
        expect([...(law?.ids ?? [])]).toEqual([...(law?.ids ?? [])].toSorted((a, b) => a - b));
        expect(law?.probs.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      }),
    );
  });

  test("stays within its capacity and forgets the oldest", () => {
    const counts = new NgramCounts(40);
    const text = Array.from({ length: 200 }, (_, i) => i);
    for (let place = 0; place < text.length; place++) {
      counts.add(text, place);
      expect(counts.size).toBeLessThanOrEqual(40);
    }
    expect(lawOf(counts, [198])).toEqual({ 199: 1 });
    expect(counts.lawAfter([3])).toBeNull();
  });

  test("errors", () => {
    expect(() => new NgramCounts(1)).toThrow(
      "NgramCounts: capacity must be an integer of at least 2, got 1",
    );
  });
});

const counts = () => counted([1, 2, 3], [5, 2, 3], [1, 2, 4]);

describe("createNgramCache", () => {
  test("greedy takes the likeliest token and ends where nothing is known", async () => {
    const tree = await createNgramCache(counts()).propose(ask([9, 1, 2], 4));
    expect([...tree.tokens]).toEqual([3]);
    expect(tree.laws).toEqual([null]);
    expect(tree.confidences[0]).toBeGreaterThan(0.58);
    expect((await createNgramCache().propose(ask([7], 4))).tokens).toHaveLength(0);
  });

  test("optimal gives the law that was drawn from, seeded none", async () => {
    const options = { sampling: { temperature: 1 }, coupling: "optimal" } as const;
    const tree = await createNgramCache(counts(), options).propose(ask([9, 1, 2], 1));
    expect([...(tree.laws[0]?.ids ?? [])]).toEqual([3, 4]);
    const seeded = createNgramCache(counts(), { sampling: { temperature: 1 } });
    expect((await seeded.propose(ask([9, 1, 2], 1))).laws).toEqual([null]);
  });

  test("counts each token of a text once", async () => {
    const shared = new NgramCounts();
    const drafter = createNgramCache(shared);
    await drafter.propose(ask([1, 2, 1], 4));
    await drafter.propose(ask([1, 2, 1, 3], 4));
    expect(lawOf(shared, [1])).toEqual({ 2: 0.5, 3: 0.5 });
  });
});

test("drawn drafts leave the law of the target as it is (chi-square over two tokens)", async () => {
  const rows = randomRows(6, 3);
  const target = tableModel(rows);
  const rounds = 4000;
  const pairs = new Float64Array(36);
  const sampling = { temperature: 1 };
  for (let seed = 0; seed < rounds; seed++) {
    const drafter = createNgramCache(undefined, { sampling, coupling: "optimal" });
    // oxlint-disable-next-line no-await-in-loop -- one generation at a time
    const { summary } = await finish(target, [0, 1, 2, 3, 4, 5, 0, 2, 4, 0, 3, 1, 5, 2], {
      key: createRng(seed),
      drafter,
      sampling,
      coupling: "optimal",
      maxTokens: 3,
    });
    expect(summary.statistics.undraftedRounds).toBe(0);
    const [, first, second] = summary.ids;
    pairs[6 * first + second]++;
  }
  // The first token comes from the prompt: its law is that of row 2.
  const probs = Array.from({ length: 36 }, (_, pair) => {
    const [first, second] = [Math.floor(pair / 6), pair % 6];
    const before = rows[2].reduce((sum, p, token) => sum + p * rows[token][first], 0);
    return before * rows[first][second];
  });
  expect(Math.abs(chiSquareZ(pairs, probs, rounds))).toBeLessThan(3.09);
});
