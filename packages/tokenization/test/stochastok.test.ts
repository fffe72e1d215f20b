import { createRng, type Rng } from "@veridraft/core-probs";
import { createTokenizer } from "@veridraft/tokenization";
import { buildSplitTable, expandTokens } from "@veridraft/tokenization/systems";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { smallTokenizer } from "./vocabularies.ts";

// StochasTok, section 5: a 0, b 1, c 2, ab 3, bc 4, abc 5.
const pieces = ["a", "b", "c", "ab", "bc", "abc"];
const abc = smallTokenizer(["a b", "b c", "a bc"], [], { pieces });
const table = buildSplitTable(abc);
const key = createRng(1);
const stream = (place: number): Rng => key.at(place, "sample");

const pairsOf = (id: number) => [
  ...table.pairs.subarray(2 * table.starts[id], 2 * table.starts[id + 1]),
];

test("all pairs of tokens that make a token", () => {
  expect([0, 1, 2, 3, 4, 5].map(pairsOf)).toEqual([[], [], [], [0, 1], [1, 2], [0, 4, 3, 2]]);
  expect([...table.unsplittable]).toEqual([]);
});

/** Exact laws after k attempts, worked by hand in the source. */
test.each<[number[], number, Record<string, number>]>([
  [[5], 1, { "a|bc": 1 / 2, "ab|c": 1 / 2 }],
  [[5], 2, { "a|b|c": 1 / 2, "a|bc": 1 / 4, "ab|c": 1 / 4 }],
  [[5], 3, { "a|b|c": 3 / 4, "a|bc": 1 / 8, "ab|c": 1 / 8 }],
  [[5], 4, { "a|b|c": 7 / 8, "a|bc": 1 / 16, "ab|c": 1 / 16 }],
  [[5, 2], 1, { "abc|c": 1 / 2, "a|bc|c": 1 / 4, "ab|c|c": 1 / 4 }],
  [[5, 2], 2, { "a|b|c|c": 1 / 6, "a|bc|c": 7 / 24, "ab|c|c": 7 / 24, "abc|c": 1 / 4 }],
])("%o after %i attempts", (ids, attempts, law) => {
  const draws = 20_000;
  const counts: Record<string, number> = {};
  for (let draw = 0; draw < draws; draw++) {
    const expanded = expandTokens(ids, table, { p: attempts / ids.length }, stream(draw));
    const text = [...expanded.ids].map(abc.piece).join("|");
    counts[text] = (counts[text] ?? 0) + 1;
  }
  expect(Object.keys(counts).toSorted()).toEqual(Object.keys(law).toSorted());
  const chiSquare = Object.entries(law).reduce(
    (sum, [text, p]) => sum + (counts[text] - draws * p) ** 2 / (draws * p),
    0,
  );
  expect(chiSquare).toBeLessThan(16.27); // 99.9 % of a chi-square with 3 degrees of freedom
});

describe("laws", () => {
  const tokenizer = smallTokenizer(["a b", "b c", "a bc", "abc abc", "Ã ©", "Ġ a"], ["<end>"]);
  const splits = buildSplitTable(tokenizer);
  const end = tokenizer.vocabSize - 1;
  const texts = fc.string({ unit: fc.constantFrom("abc", "é", " a", "x"), maxLength: 20 });
  const shares = fc.double({ min: 0, max: 3, noNaN: true });

  test("the text, the origins and the number of splits", () => {
    fc.assert(
      fc.property(texts, shares, fc.nat(), (text, p, seed) => {
        const ids = Int32Array.of(...tokenizer.encode(text), end);
        const options = { p, protect: Array.from(ids, (_, i) => i % 2) };
        const expanded = expandTokens(ids, splits, options, createRng(seed).at(0, "sample"));
        expect(expanded).toEqual(
          expandTokens(ids, splits, options, createRng(seed).at(0, "sample")),
        );
        expect(expanded.ids.length).toBe(ids.length + expanded.splits);
        expect(expanded.splits).toBeLessThanOrEqual(Math.floor(ids.length * p));
        ids.forEach((id, place) => {
          const parts = expanded.ids.filter((_, k) => expanded.origins[k] === place);
          const bytes = Buffer.concat([...parts].map((part) => tokenizer.tokenBytes(part)));
          expect(bytes).toEqual(Buffer.from(tokenizer.tokenBytes(id)));
          expect(parts.length === 1 || (place % 2 === 0 && id !== end)).toBe(true);
        });
        expect([...expanded.origins]).toEqual([...expanded.origins].toSorted((a, b) => a - b));
        expect(tokenizer.encode(tokenizer.decode(expanded.ids), { special: true })).toEqual(ids);
      }),
    );
  });

  test("no attempt, no change: p = 0, and nine tokens at .1", () => {
    const ids = Int32Array.from({ length: 9 }, () => 258);
    expect(expandTokens(ids, splits, { p: 0 }, stream(0)).ids).toEqual(ids);
    expect(expandTokens(ids, splits, {}, stream(0)).ids).toEqual(ids);
    expect(expandTokens([], splits, {}, stream(0)).ids).toEqual(new Int32Array());
  });

  test("no more splits than asked for", () => {
    const ids = Int32Array.from({ length: 100 }, () => 258);
    expect(expandTokens(ids, splits, { p: 1, maxSplits: 7 }, stream(0)).splits).toBe(7);
  });
});

test("tokens of several bytes without a pair are listed", () => {
  const odd = smallTokenizer([], [], { pieces: ["a", "b", "abc"] });
  expect([...buildSplitTable(odd).unsplittable]).toEqual([2]);
});

test("the byte tokens of SentencePiece are no parts", () => {
  const tokenizer = createTokenizer({
    pieces: ["▁", "a", "▁a", "é", "<0xC3>", "<0xA9>"],
    scores: [0, -1, -2, -3, 0, 0],
    addSpacePrefix: false,
    specialIds: new Set(),
    userDefinedIds: new Set(),
    bosId: undefined,
    eosId: undefined,
    endIds: new Set(),
    addBos: false,
  });
  const { starts, pairs, unsplittable } = buildSplitTable(tokenizer);
  expect([...starts]).toEqual([0, 0, 0, 1, 1, 1, 1]);
  expect([...pairs]).toEqual([0, 1]);
  expect([...unsplittable]).toEqual([3]);
});

const expand = (ids: number[], options: object) => expandTokens(ids, table, options, stream(0));

test("errors", () => {
  expect(() => expand([0], { p: -1 })).toThrow("expandTokens: p must be at least 0, got -1");
  expect(() => expand([0], { p: NaN })).toThrow("expandTokens: p must be at least 0, got NaN");
  expect(() => expand([6], {})).toThrow("expandTokens: ids must be in [0, 6), got 6");
  expect(() => expand([0], { protect: [] })).toThrow("expandTokens: 1 ids but protect has 0");
});
