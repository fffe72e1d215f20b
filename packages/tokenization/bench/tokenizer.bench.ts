/**
 * Encoding speed beside @huggingface/tokenizers, with a vocabulary that is trained here on the repository's licence.
 *
 * Texts are new in every round (cold) or the same (warm). With the real vocabulary of SmolLM2: tools/peers/bench-tokenizer.mjs.
 */
import { readFileSync } from "node:fs";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { createRng } from "@veridraft/core-probs";
import { toTokenizerJson } from "@veridraft/tokenization";
import { bench, describe } from "vitest";
import { smallTokenizer, trainMerges } from "../test/vocabularies.ts";

const words = readFileSync(new URL("../../../LICENSE", import.meta.url), "utf8").split(/\s+/);
const unique = [...new Set(words)].filter((word) => /^[\x21-\x7e]+$/.test(word));
const merges = trainMerges(
  unique.map((word) => `Ġ${word}`),
  800,
);
const tokenizer = smallTokenizer(merges);
const reference = new HuggingFaceTokenizer(toTokenizerJson(tokenizer), {});

const rng = createRng(1).at(0, "sample");
const text = (count: number): string =>
  Array.from({ length: count }, () => words[Math.floor(rng.uniform() * words.length)]).join(" ");

const warm = text(20_000);
const hostile = { a: "a".repeat(80_000), spaces: " ".repeat(80_000), ab: "ab".repeat(40_000) };

describe(`warm, ${warm.length} characters of English`, () => {
  bench("veridraft", () => void tokenizer.encode(warm));
  bench("@huggingface/tokenizers", () => void reference.encode(warm));
});

describe("cold, a new tokenizer", () => {
  bench("veridraft", () => void smallTokenizer(merges).encode(warm));
});

for (const [name, piece] of Object.entries(hostile)) {
  describe(`one piece of 80,000 characters: ${name}`, () => {
    bench("veridraft", () => void tokenizer.encode(piece));
    bench("@huggingface/tokenizers", () => void reference.encode(piece), {
      iterations: 3,
      time: 0,
    });
  });
}
