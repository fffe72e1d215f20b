import { createSuffixDecoding, SuffixIndex, SuffixStore } from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ask } from "./support.ts";

type Config = Parameters<typeof createSuffixDecoding>[1];
const drafted = async (ids: number[], budget: number, config?: Config, store?: SuffixStore) => [
  ...(await createSuffixDecoding(store, config).propose(ask(ids, budget))).tokens,
];

test("counts are the number of places of every substring", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2), { minLength: 1, maxLength: 40 }), fc.nat(39), (ids, cut) => {
      const index = new SuffixIndex();
      ids.forEach((id, i) => {
        index.extend(id);
        // Counting in between must not spoil later counts.
        if (i === cut) index.counts();
      });
      const counts = index.counts();
      for (let start = 0; start < ids.length; start++) {
        let state = 0;
        for (let end = start; end < Math.min(ids.length, start + 6); end++) {
          state = index.step(state, ids[end]);
          const key = ids.slice(start, end + 1).join();
          const places = ids.filter((_, i) => ids.slice(i, i + end + 1 - start).join() === key);
          expect(counts[state]).toBe(places.length);
        }
      }
    }),
  );
});

describe("createSuffixDecoding", () => {
  test("the most frequent continuation, ties by the lowest id", async () => {
    // After 1: 2 twice, 3 once.
    expect(await drafted([1, 2, 7, 1, 3, 8, 1, 2, 9, 1], 4)).toEqual([2]);
    expect(await drafted([1, 3, 7, 1, 2, 8, 1], 4)).toEqual([2]);
  });

  test("at most factor times the match length", async () => {
    const text = [1, 2, 3, 4, 5, 6, 7, 8, 2, 3];
    expect(await drafted(text, 8)).toEqual([4, 5]);
    expect(await drafted(text, 8, { maxSpecFactor: 2 })).toEqual([4, 5, 6, 7]);
    expect(await drafted(text, 3, { maxSpecFactor: 2 })).toEqual([4, 5, 6]);
    expect(await drafted(text, 8, { maxSpecFactor: 0.5 })).toEqual([4]);
    expect(await drafted([1, 2, 3], 8)).toEqual([]);
  });

  test("only while the product of the probabilities is at least the minimum", async () => {
    // After 1 come 2 and 3, each half the time, after [1, 2] come 4 and 5; the text after 4 is known for certain.
    const text = [1, 2, 4, 1, 2, 5, 1, 3, 6, 1, 3, 7, 1];
    const config = { maxSpecFactor: 4 };
    expect(await drafted(text, 8, { ...config, minTokenProb: 0.51 })).toEqual([]);
    expect(await drafted(text, 8, { ...config, minTokenProb: 0.26 })).toEqual([2]);
    expect(await drafted(text, 8, { ...config, minTokenProb: 0.25 })).toEqual([2, 4, 1, 2]);
    const tree = await createSuffixDecoding(undefined, config).propose(ask(text, 8));
    expect([...tree.confidences]).toEqual([1 / 4, 1 / 3, 3 / 4, 4 / 5].map(Math.fround));
  });

  test("a shorter suffix wins where it expects more accepted tokens", async () => {
    // After [1, 2] come 3 and 4 once each, 1/2; after [2] comes 5 in 4 of 6.
    const text = [1, 2, 3, 1, 2, 4, 2, 5, 2, 5, 2, 5, 2, 5, 1, 2];
    const tree = await createSuffixDecoding().propose(ask(text, 1));
    expect([...tree.tokens]).toEqual([5]);
    expect(tree.confidences[0]).toBe(Math.fround((4 / 6) * (1 / 2)));
  });

  test("past texts vote, and one that ends there counts against every token", async () => {
    const store = new SuffixStore();
    store.add([1, 2, 3]);
    store.add([1, 2, 4]);
    store.add([1, 2, 4]);
    store.add([1, 2]);
    expect(await drafted([9, 1, 2], 8, {}, store)).toEqual([4]);
    expect(await drafted([9, 1, 2], 8, { minTokenProb: 0.51 }, store)).toEqual([]);
    const first = createSuffixDecoding(store);
    await first.propose(ask([6, 7, 8], 8));
    first.dispose();
    first.dispose();
    expect(store.size).toBe(4 + 4 + 4 + 3 + 4);
    expect(await drafted([6, 7], 8, {}, store)).toEqual([8]);
  });

  test("forgets the oldest texts first", async () => {
    const store = new SuffixStore(20);
    for (let i = 0; i < 8; i++) store.add([3 * i, 3 * i + 1, 3 * i + 2]);
    expect(store.size).toBeLessThanOrEqual(20);
    expect(await drafted([0, 1], 4, {}, store)).toEqual([]);
    expect(await drafted([21, 22], 4, {}, store)).toEqual([23]);
  });

  test("a loop is drafted to the budget", async () => {
    expect(await drafted([8, 9, 8, 9, 8, 9, 8, 9, 8, 9], 4)).toEqual([8, 9, 8, 9]);
  });
});

test("errors", () => {
  expect(() => createSuffixDecoding(undefined, { maxSpecFactor: 0 })).toThrow(
    "createSuffixDecoding: maxSpecFactor: ",
  );
  expect(() => createSuffixDecoding(undefined, { minTokenProb: 2 })).toThrow(
    "createSuffixDecoding: minTokenProb: ",
  );
});
