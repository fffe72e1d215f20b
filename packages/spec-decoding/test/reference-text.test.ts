import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { alignReference, createReferenceText } from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ask, finish } from "./support.ts";

describe("alignReference", () => {
  test("the longest common suffix, then the next place, then the last one before", () => {
    expect(alignReference([1, 2, 3, 1, 2, 4], [9, 1, 2], 0)).toEqual({ place: 2, matched: 2 });
    expect(alignReference([1, 2, 3, 1, 2, 4], [9, 1, 2], 2)).toEqual({ place: 5, matched: 2 });
    expect(alignReference([1, 2, 3, 1, 2, 4], [9, 1, 2], 5)).toEqual({ place: 5, matched: 2 });
    expect(alignReference([1, 2, 3, 7, 2, 4], [1, 2], 4)).toEqual({ place: 2, matched: 2 });
    expect(alignReference([1, 2], [3], 0)).toBeNull();
    expect(alignReference([], [3], 0)).toBeNull();
    expect(alignReference([1], [], 0)).toBeNull();
  });

  test("equals a scan by strings", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2), { maxLength: 20 }),
        fc.array(fc.nat(2), { minLength: 1, maxLength: 20 }),
        fc.nat(20),
        (reference, text, near) => {
          let expected = null;
          for (let n = Math.min(16, text.length); n > 0 && expected === null; n--) {
            const places = reference
              .map((_, i) => i + 1)
              .filter((end) => end >= n)
              .filter((end) => reference.slice(end - n, end).join() === text.slice(-n).join());
            const place = places.find((end) => end > near) ?? places.at(-1);
            if (place !== undefined) expected = { place, matched: n };
          }
          expect(alignReference(reference, text, near)).toEqual(expected);
        },
      ),
    );
  });
});

describe("createReferenceText", () => {
  const reference = [10, 11, 12, 13, 14, 15, 16, 17];
  /** The drafts after each token of an answer to the prompt [1, 2]. */
  async function drafts(answer: number[], text = reference): Promise<number[][]> {
    const drafter = createReferenceText(text);
    const all: number[][] = [];
    for (let length = 1; length <= answer.length; length++) {
      // oxlint-disable-next-line no-await-in-loop -- the drafter is asked in order
      const tree = await drafter.propose(ask([1, 2, ...answer.slice(0, length)], 3));
      all.push([...tree.tokens]);
    }
    return all;
  }

  test("follows the reference from its beginning to its end", async () => {
    const all = await drafts(reference);
    expect(all[0]).toEqual([11, 12, 13]);
    expect(all[5]).toEqual([16, 17]);
    expect(all[7]).toEqual([]);
    expect(await drafts([10], [])).toEqual([[]]);
  });

  test("finds its place again after a replacement, an insertion, an omission", async () => {
    expect(await drafts([10, 11, 99, 13])).toEqual([[11, 12, 13], [12, 13, 14], [], [14, 15, 16]]);
    expect((await drafts([10, 99, 98, 11])).at(-1)).toEqual([12, 13, 14]);
    expect((await drafts([10, 15])).at(-1)).toEqual([16, 17]);
  });

  test("of equal places the next one: a line that is repeated is left by its own end", async () => {
    const text = [1, 7, 8, 2, 7, 8, 3, 7, 8, 4];
    // 99 stands for the second 7; the 8 after it is the second one.
    expect((await drafts([1, 7, 8, 2, 99, 8], text)).at(-1)).toEqual([3, 7, 8]);
  });

  test("several tokens at once, and an answer that begins elsewhere", async () => {
    const drafter = createReferenceText(reference);
    expect([...(await drafter.propose(ask([1, 12], 2))).tokens]).toEqual([13, 14]);
    expect([...(await drafter.propose(ask([1, 12, 13, 14], 2))).tokens]).toEqual([15, 16]);
  });

  test("confidence grows with the tokens that agreed", async () => {
    const tree = await createReferenceText(reference).propose(ask([1, 10], 2));
    expect([...tree.confidences]).toEqual([Math.fround(2 / 3), 0.75]);
  });
});

test("an answer like its reference takes one forward for a round of drafts", async () => {
  const size = 12;
  const target = tableModel(
    Array.from({ length: size }, (_, token) =>
      Array.from({ length: size }, (__, next) => (next === (token + 5) % size ? 1 : 0)),
    ),
  );
  const answer = Array.from({ length: 11 }, (_, i) => (5 * (i + 1)) % size);
  const { summary } = await finish(target, [0], {
    key: createRng(1),
    drafter: createReferenceText(answer),
    maxTokens: 11,
    numSpeculativeTokens: 4,
  });
  expect(summary.ids).toEqual(answer);
  expect(summary.statistics.rounds).toBe(2);
  expect(summary.statistics.acceptanceRate).toBe(1);
});
