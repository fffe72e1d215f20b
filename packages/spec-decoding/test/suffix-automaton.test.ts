import {
  createSuffixDrafter,
  SuffixIndex,
  SuffixMatch,
  SuffixStore,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { continuation } from "../src/suffix-automaton.ts";
import { ask } from "./support.ts";

/** Reads a text as a drafter does: match, then add. */
function read(ids: number[]): SuffixMatch {
  const match = new SuffixMatch(new SuffixIndex());
  for (const id of ids) {
    match.advance(id);
    match.index.extend(id);
  }
  return match;
}

describe("vectors of the baselines", () => {
  test.each([
    [[5, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2], 14, 2, 3, [3, 9, 1, 2]],
    [[1, 2, 3, 4, 9, 2, 3, 4], 12, 3, 4, [9, 2, 3]],
  ])("%o", (ids, states, length, firstEnd, draft) => {
    const match = read(ids);
    expect(match.index.states).toBe(states);
    expect(match.length).toBe(length);
    expect(match.firstEnd).toBe(firstEnd);
    expect(continuation(match, draft.length, false)).toEqual(draft);
  });
});

/** The longest suffix that also ends earlier, and where it ends first, by scanning. */
function scan(ids: number[]): { length: number; firstEnd: number } {
  for (let length = ids.length - 1; length > 0; length--) {
    const suffix = ids.slice(-length).join();
    for (let end = length; end < ids.length; end++) {
      if (ids.slice(end - length, end).join() === suffix) return { length, firstEnd: end };
    }
  }
  return { length: 0, firstEnd: 0 };
}

test("the match equals a scan, and the automaton is small", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2), { minLength: 1, maxLength: 60 }), (ids) => {
      const match = read(ids);
      expect({ length: match.length, firstEnd: match.firstEnd }).toEqual(scan(ids));
      expect(match.index.states).toBeLessThanOrEqual(2 * ids.length + 1);
    }),
  );
});

test("grows past its first arrays", () => {
  const ids = Array.from({ length: 5000 }, (_, i) => (i * i * 7 + 3 * i) % 1009);
  const match = read([...ids, ...ids.slice(0, 40)]);
  expect(match.length).toBeGreaterThanOrEqual(40);
  expect(continuation(match, 5, false)).toEqual(ids.slice(match.firstEnd, match.firstEnd + 5));
});

const drafted = async (ids: number[], budget: number) => [
  ...(await createSuffixDrafter().propose(ask(ids, budget))).tokens,
];

describe("createSuffixDrafter", () => {
  test("drafts at most twice the match length, one token after a match of one", async () => {
    expect(await drafted([1, 2, 3, 4, 5, 6, 1], 8)).toEqual([2]);
    expect(await drafted([1, 2, 3, 4, 5, 6, 7, 1, 2], 8)).toEqual([3, 4, 5, 6]);
    expect(await drafted([1, 2, 3, 4, 5, 6, 7, 1, 2], 3)).toEqual([3, 4, 5]);
    expect(await drafted([1, 2, 3], 8)).toEqual([]);
  });

  test("goes on in its own tokens where the text repeats itself", async () => {
    expect(await drafted([8, 9, 8, 9, 8, 9], 8)).toEqual([8, 9, 8, 9, 8, 9, 8, 9]);
    expect(await drafted([4, 4], 8)).toEqual([4]);
  });

  test("confidence grows along the draft", async () => {
    const tree = await createSuffixDrafter().propose(ask([1, 2, 3, 9, 1, 2], 2));
    expect([...tree.confidences]).toEqual([Math.fround(2 / 3), 0.75]);
  });
});

describe("SuffixStore", () => {
  test("a generation learns from the ones before it, and from one that ends meanwhile", async () => {
    const store = new SuffixStore();
    const first = createSuffixDrafter(store);
    await first.propose(ask([1, 2, 3, 4, 5, 6], 8));
    const second = createSuffixDrafter(store);
    expect([...(await second.propose(ask([9, 3, 4], 8))).tokens]).toEqual([]);
    first.dispose();
    first.dispose();
    expect(store.size).toBe(7);
    expect([...(await second.propose(ask([9, 3, 4], 8))).tokens]).toEqual([5, 6]);
    second.dispose();
    const third = createSuffixDrafter(store);
    expect([...(await third.propose(ask([9, 3], 8))).tokens]).toEqual([4]);
  });

  test("never drafts across the end of a generation", async () => {
    const store = new SuffixStore();
    store.add([1, 2, 3]);
    store.add([4, 5, 6]);
    expect([...(await createSuffixDrafter(store).propose(ask([1, 2], 8))).tokens]).toEqual([3]);
    expect([...(await createSuffixDrafter(store).propose(ask([2, 3], 8))).tokens]).toEqual([]);
  });

  test("stays within its capacity and forgets the oldest", async () => {
    const store = new SuffixStore(100);
    const drafter = createSuffixDrafter(store);
    const text: number[] = [500, 501];
    for (let i = 0; i < 40; i++) {
      store.add([3 * i, 3 * i + 1, 3 * i + 2]);
      expect(store.size).toBeLessThanOrEqual(100);
      // oxlint-disable-next-line no-await-in-loop -- the store changes between two questions
      await drafter.propose(ask(text, 4));
    }
    text.push(117, 118);
    expect([...(await drafter.propose(ask(text, 4))).tokens]).toEqual([119]);
    expect([...(await createSuffixDrafter(store).propose(ask([0, 1], 4))).tokens]).toEqual([]);
    store.add(Array.from({ length: 1000 }, (_, i) => 2000 + i));
    expect(store.size).toBeLessThanOrEqual(100);
    expect([...(await createSuffixDrafter(store).propose(ask([2996, 2997], 4))).tokens]).toEqual([
      2998, 2999,
    ]);
  });

  test("a match in a shared index stays right while the index grows", () => {
    const tokens = fc.array(fc.nat(2), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(tokens, tokens, tokens, (before, meanwhile, text) => {
        const index = new SuffixIndex();
        for (const id of before) index.extend(id);
        const match = new SuffixMatch(index);
        text.forEach((id, i) => {
          match.advance(id);
          if (i < meanwhile.length) index.extend(meanwhile[i]);
        });
        const all = [...before, ...meanwhile.slice(0, text.length)];
        const suffix = text.slice(text.length - match.length);
        const end = match.firstEnd;
        expect(all.slice(end - match.length, end)).toEqual(suffix);
        const earlier = all
          .map((_, i) => i + 1)
          .filter((e) => all.slice(Math.max(0, e - suffix.length), e).join() === suffix.join());
        expect(match.length === 0 || end === earlier[0]).toBe(true);
      }),
    );
  });

  test("errors", () => {
    expect(() => new SuffixStore(1)).toThrow(
      "SuffixStore: capacity must be an integer of at least 2, got 1",
    );
  });
});
