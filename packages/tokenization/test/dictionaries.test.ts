import {
  createLookup,
  encodeGreedy,
  encodeMinimal,
  encodeRules,
  fixedBlocks,
  learnLzw,
  learnPairs,
  learnPairsInParts,
  matrixSource,
  unigramLoss,
} from "@veridraft/tokenization/systems";
import { createRng } from "@veridraft/core-probs";
import * as fc from "fast-check";
import { expect, test } from "vitest";

// Tokenization theory, section 5.
test("LZW of 0100111", () => {
  expect(learnLzw("0100111", 10)).toEqual(["0", "1", "00", "11"]);
  const lookup = createLookup(["0", "1", "00", "11"]);
  expect(encodeGreedy(lookup, "0100111").join("|")).toBe("0|1|00|11|1");
});

test("pairs of 01010110101: 01, then 0101", () => {
  expect(learnPairs("01010110101", 6).tokens).toEqual(["0", "1", "01", "0101"]);
});

test("blocks", () => {
  expect(fixedBlocks("01", 2)).toEqual(["00", "01", "10", "11"]);
});

const texts = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 60 });

test("every encoder keeps the text; the minimal one has the fewest tokens; LZW has all beginnings", () => {
  fc.assert(
    fc.property(texts, texts, fc.integer({ min: 3, max: 20 }), (train, text, size) => {
      const lzw = learnLzw(`abc${train}`, size);
      const pairs = learnPairs(`abc${train}`, size);
      expect(lzw.length).toBeLessThanOrEqual(size);
      expect(pairs.tokens.length).toBeLessThanOrEqual(size);
      expect(["", ...lzw]).toEqual(expect.arrayContaining(lzw.map((token) => token.slice(0, -1))));
      for (const tokens of [lzw, pairs.tokens]) {
        const lookup = createLookup(tokens);
        const minimal = encodeMinimal(lookup, text);
        const greedy = encodeGreedy(lookup, text);
        expect(minimal.join("")).toBe(text);
        expect(greedy.join("")).toBe(text);
        expect(minimal.length).toBeLessThanOrEqual(greedy.length);
      }
      const ruled = encodeRules(pairs, text);
      expect(ruled.join("")).toBe(text);
      expect(ruled.length).toBeGreaterThanOrEqual(
        encodeMinimal(createLookup(pairs.tokens), text).length,
      );
    }),
  );
});

const renamed = (text: string): string =>
  text.replaceAll(/[abc]/g, (letter) => `${"bca"["abc".indexOf(letter)]}`);

test("names of letters do not matter to LZW", () => {
  fc.assert(
    fc.property(texts, (text) => {
      const tokens = encodeGreedy(createLookup(learnLzw(text, 20)), text);
      const others = encodeGreedy(createLookup(learnLzw(renamed(text), 20)), renamed(text));
      expect(others).toEqual(tokens.map(renamed));
    }),
  );
});

// Theorem E.2: runs of one letter after a 1; entropy rates and losses measured by the source.
test.each([
  [0.05, 0.2158, 0.2493, 0.5316],
  [0.02, 0.105, 0.1172, 0.4341],
])("the encoder matters, d = %f: H %f, minimal %f, greedy %f", (d, rate, minimal, greedy) => {
  const source = matrixSource([
    [1 - d, d, 0],
    [d / 2, 1 - d, d / 2],
    [0, d, 1 - d],
  ]);
  expect(source.entropyRate).toBeCloseTo(rate, 4);
  const longest = Math.round(1 + (2 * Math.log(1 / d)) / d);
  const runs = Array.from("012", (letter) =>
    Array.from({ length: longest }, (_, length) => `1${letter.repeat(length)}`),
  );
  const lookup = createLookup(["0", "2", ...runs.flat()]);
  const text = source.sample(200_000, createRng(1).at(0, "sample"));
  const loss = (tokens: string[]) => unigramLoss(tokens, text.length).natsPerSymbol;
  expect(Math.abs(loss(encodeMinimal(lookup, text)) - minimal)).toBeLessThan(0.01);
  expect(Math.abs(loss(encodeGreedy(lookup, text)) - greedy)).toBeLessThan(0.02);
});

test("errors", () => {
  expect(() => encodeRules(learnPairs("ab", 4), "c")).toThrow(
    'encodeRules: no token goes on with "c"',
  );
  expect(() => encodeGreedy(createLookup(["a"]), "ab")).toThrow(
    'encodeGreedy: no token goes on with "b"',
  );
  expect(() => encodeMinimal(createLookup(["a"]), "ba")).toThrow(
    'encodeMinimal: no token goes on with "b"',
  );
  expect(() => learnPairsInParts("ab", 3)).toThrow(
    "learnPairsInParts: 3 parts need as many letters, got 2",
  );
});
