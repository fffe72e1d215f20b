import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng } from "@veridraft/core-probs";
import { findScanner } from "../src/scanners.ts";
import {
  compilePattern,
  digitsThenGpt2Pattern,
  gpt2Pattern,
  gpt4oPattern,
  llama3Pattern,
  o200kPattern,
  qwen2Pattern,
  tekkenPattern,
} from "../src/split-patterns.ts";

const patterns = {
  gpt2: gpt2Pattern,
  smollm: digitsThenGpt2Pattern,
  cl100k: llama3Pattern,
  qwen2: qwen2Pattern,
  o200k: o200kPattern,
  "gpt-4o": gpt4oPattern,
  tekken: tekkenPattern,
};

const utf8 = new TextEncoder();

/** Ends of the pieces of a text as the scanner finds them, `block` at a time. */
function scan(pattern: string, text: string, block: number): number[] {
  const scanner = findScanner(pattern);
  const bytes = utf8.encode(text);
  const ends = new Int32Array(block);
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at = found[found.length - 1]) {
    const count = scanner?.(bytes, at, bytes.length, ends) ?? 0;
    found.push(...ends.subarray(0, count));
  }
  return found;
}

/** The same as the regular expression finds them. */
function match(pattern: string, text: string): number[] {
  let at = 0;
  return Array.from(
    new TextDecoder("utf-8", { ignoreBOM: true })
      .decode(utf8.encode(text))
      .matchAll(compilePattern(pattern, "g")),
    ([piece]) => (at += utf8.encode(piece).length),
  );
}

/** Characters of every class that a pattern tells apart, and those at which scripts, cases and contractions meet. */
const units = [
  ..." \t\n\r\x85\xa0\u3000\u200b\ufeff\0",
  ..."aszZASTtdDmMlLrReEvVkK\u017f\u212a",
  ..."'\u2019/.!_-$+",
  ..."0179½²٣Ⅷ",
  ..."éÉßǅʰªñΩωдДאبकखाि字かカ한ไท",
  ..."\u0301\u20dd😀👩\u200d🦰𝐀𝒷𐐀𐐨𝟗",
  "'s",
  "'LL",
  "'Ve",
  "\r\n",
  "   ",
  "\n\n ",
  "\ud800",
  "\udc00",
];

describe.each(Object.entries(patterns))("the scanner of %s", (_, pattern) => {
  it("finds the pieces that the regular expression finds, in blocks of any size", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.oneof(
            fc.constantFrom(...units),
            fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
          ),
          maxLength: 24,
        }),
        fc.integer({ min: 1, max: 5 }),
        (text, block) => {
          expect(scan(pattern, text, block)).toEqual(match(pattern, text));
        },
      ),
      { numRuns: 1500, seed: 7 },
    );
  });

  it("finds them in long mixed text", () => {
    const rng = createRng(11).at(0, "sample");
    const parts: string[] = [];
    // Runs of one unit now and then, as words and lines have them.
    while (parts.length < 60_000) {
      const unit = units[Math.floor(rng.uniform() * units.length)];
      parts.push(rng.uniform() < 0.1 ? unit.repeat(1 + Math.floor(9 * rng.uniform())) : unit);
    }
    const text = parts.join("");
    expect(scan(pattern, text, 4096)).toEqual(match(pattern, text));
  });
});
