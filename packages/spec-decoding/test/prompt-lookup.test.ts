import { createPromptLookup } from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ask } from "./support.ts";

type Config = Parameters<typeof createPromptLookup>[0];
/** A text in which these tokens follow 0, and that ends with it. */
const after = (...next: number[]) => [...next.flatMap((token) => [0, token]), 0];
const drafted = async (ids: number[], budget: number, config?: Config) => [
  ...(await createPromptLookup(config).propose(ask(ids, budget))).tokens,
];

describe("vectors of the baselines", () => {
  const x = [5, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2];
  test("latest and earliest", async () => {
    expect(await drafted(x, 4)).toEqual([4, 7, 1, 2]);
    expect(await drafted(x, 4, { prefer: "earliest" })).toEqual([3, 9, 1, 2]);
    expect(await drafted([1, 2, 3], 4)).toEqual([]);
  });
});

describe("vote", () => {
  test("the most frequent next token, its latest place; ties: the latest", async () => {
    // After 1: 2, 2, 3. The latest place says 3.
    const x = [1, 2, 7, 1, 2, 8, 1, 3, 9, 1];
    expect(await drafted(x, 2)).toEqual([3, 9]);
    expect(await drafted(x, 2, { prefer: "vote" })).toEqual([2, 8]);
    expect(await drafted([1, 2, 1, 3, 1], 1, { prefer: "vote" })).toEqual([3]);
    const tree = await createPromptLookup({ prefer: "vote" }).propose(ask(x, 2));
    expect([...tree.confidences]).toEqual([Math.fround((2 / 3) * (1 / 2)), Math.fround(2 / 3)]);
  });

  test("counts four tokens; a fifth takes the place of the rarest, of these the oldest", async () => {
    const config: Config = { prefer: "vote", ngram: { max: 1 } };
    expect(await drafted(after(1, 1, 2, 2, 2, 3, 4, 5), 1, config)).toEqual([2]);
    // 3 gives way to 5 and 5 to 3, which counts from one again: 4 leads at two.
    expect(await drafted(after(3, 1, 1, 2, 2, 4, 4, 5, 3), 1, config)).toEqual([4]);
  });
});

test("limits: the suffix never matches itself, the text may end early, one token", async () => {
  expect(await drafted([7], 4)).toEqual([]);
  expect(await drafted([7, 7], 4)).toEqual([7]);
  expect(await drafted([1, 2, 1], 4, { ngram: { min: 2, max: 2 } })).toEqual([]);
  expect(await drafted([1, 2, 1], 1)).toEqual([2]);
});

test("confidence grows with the matched length", async () => {
  const tree = await createPromptLookup().propose(ask([1, 2, 3, 9, 1, 2], 2));
  expect([...tree.confidences]).toEqual([Math.fround(2 / 3), 0.75]);
});

/** The definition: scans for the suffix of n = max .. min tokens. */
function scan(ids: number[], budget: number, max: number, latest: boolean): number[] {
  for (let n = Math.min(max, ids.length - 1); n >= 1; n--) {
    const key = ids.slice(-n).join();
    const ends = ids.map((_, i) => i).filter((i) => i >= n && ids.slice(i - n, i).join() === key);
    const place = latest ? ends.at(-1) : ends[0];
    if (place !== undefined) return ids.slice(place, place + budget);
  }
  return [];
}

test("equals a scan, also when asked again and again as the text grows", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }),
      fc.constantFrom("latest" as const, "earliest" as const),
      async (ids, prefer) => {
        const drafter = createPromptLookup({ prefer });
        for (let length = 1; length <= ids.length; length += 3) {
          const text = ids.slice(0, length);
          // oxlint-disable-next-line no-await-in-loop -- the drafter is asked in order
          const tree = await drafter.propose(ask(text, 5));
          expect([...tree.tokens]).toEqual(scan(text, 5, 3, prefer === "latest"));
        }
      },
    ),
  );
});

test("errors", () => {
  expect(() => createPromptLookup({ ngram: { min: 3, max: 2 } })).toThrow(
    "createPromptLookup: ngram: min must be at most max",
  );
  expect(() => createPromptLookup({ ngram: { min: 0 } })).toThrow(
    "createPromptLookup: ngram: min: ",
  );
});
