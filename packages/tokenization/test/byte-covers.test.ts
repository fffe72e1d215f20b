import { createByteTrie, createTokenizer } from "@veridraft/tokenization";
import {
  bytePrefixLogProb,
  canonicalSequences,
  coverEncodings,
  scoreCovers,
} from "@veridraft/tokenization/bytes";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { bruteForce, type ByteToy, healingToy, independentToy, markovToy } from "./byte-models.ts";
import { bytePieces, smallTokenizer } from "./vocabularies.ts";

/** Covers as "x|y" with their probabilities. */
async function covers({ tokenizer, trie, model, bos }: ByteToy, text: string) {
  const found = coverEncodings(trie, Buffer.from(text), canonicalSequences(tokenizer));
  const logProbs = await scoreCovers(model, [bos], found);
  return Object.fromEntries(
    found
      .map((ids, i) => [ids.map(tokenizer.piece).join("|"), Math.exp(logProbs[i])] as const)
      .filter(([, p]) => p > 0)
      .map(([name, p]) => [name, Number(p.toFixed(6))]),
  );
}

// Byte-probs, section 5.
test.each([
  ["A", { A: 0.3, AA: 0.2 }],
  ["BA", { "B|A": 0.21, "B|AA": 0.14 }],
  ["AAA", { "AA|A": 0.048, "AA|AA": 0.032 }],
  ["BAAB", { "B|AA|B": 0.084 }],
])("covers of %s by the chain", async (text, expected) => {
  expect(await covers(markovToy, text)).toEqual(expected);
});

test("covers of ab: [a, bc] is one, of no probability", async () => {
  const { tokenizer, trie } = healingToy;
  const found = coverEncodings(trie, Buffer.from("ab"), canonicalSequences(tokenizer));
  expect(found.map((ids) => ids.map(tokenizer.piece).join("|")).toSorted()).toEqual([
    "ab",
    "a|bc",
    "a|bcd",
  ]);
  expect(await covers(healingToy, "ab")).toEqual({ ab: 0.4, "a|bcd": 0.6 });
});

test("nothing is covered by nothing", async () => {
  const { trie, model, bos } = markovToy;
  expect(coverEncodings(trie, new Uint8Array())).toEqual([[]]);
  expect(await bytePrefixLogProb(model, trie, [bos], new Uint8Array())).toBe(0);
  const unseen = createByteTrie(smallTokenizer([], [], { pieces: ["a", "b"] }));
  expect(await bytePrefixLogProb(model, unseen, [bos], Buffer.from("A"))).toBe(-Infinity);
});

test("over all encodings the sum is that over all segmentations", async () => {
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 8 });
  const { model, trie, bos, law } = independentToy;
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const logProb = await bytePrefixLogProb(model, trie, [bos], Buffer.from(text));
      expect(logProb).toBeCloseTo(Math.log(bruteForce(law, text)), 5);
    }),
    { numRuns: 50 },
  );
});

// Byte-probs, trap 1: "a \n" is [a][" \n"], but "a \nb" is [a][" "]["\n"][b].
test("a pre-tokenizer that looks ahead loses no cover", () => {
  const tokenizer = smallTokenizer(["Ġ Ċ"]);
  const trie = createByteTrie(tokenizer);
  const found = coverEncodings(trie, Buffer.from("a \n"), canonicalSequences(tokenizer));
  expect(found.map((ids) => tokenizer.decode(ids))).toEqual(["a \n", "a \n"]);
  expect(found.map((ids) => ids.length).toSorted()).toEqual([2, 3]);
});

test("a sequence that ends inside a character is judged by what is before", () => {
  const tokenizer = smallTokenizer(["Ã ©", "a b"]);
  const [first, second] = Buffer.from("é");
  const canonical = canonicalSequences(tokenizer);
  const [a, b, whole, ab] = [0x61, 0x62, 256, 257];
  expect(canonical([first])).toBe(true);
  expect(canonical([first, second])).toBe(false);
  expect(canonical([whole])).toBe(true);
  expect(canonical([ab, first])).toBe(true);
  expect(canonical([a, b, first])).toBe(false);
  expect(canonical([0xff])).toBe(false);
});

test("the beginnings of an encoding are canonical", () => {
  const tokenizer = smallTokenizer(["a b", "ab c", "Ġ a", "Ġa b", "Ġ Ċ", "Ã ©"]);
  const canonical = canonicalSequences(tokenizer);
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "c", " ", "é", "😀"), maxLength: 12 });
  fc.assert(
    fc.property(texts, (text) => {
      const ids = [...tokenizer.encode(text)];
      ids.forEach((_, i) => expect(canonical(ids.slice(0, i + 1))).toBe(true));
    }),
  );
});

test("errors", async () => {
  const { model } = markovToy;
  await expect(scoreCovers(model, [], [[65]])).rejects.toThrow(
    "scoreCovers: needs at least 1 id as context, got 0",
  );
  const sentencePiece = createTokenizer({
    pieces: bytePieces.map((_, byte) => `<0x${byte.toString(16).padStart(2, "0").toUpperCase()}>`),
    scores: bytePieces.map(() => 0),
    addSpacePrefix: false,
    specialIds: new Set(),
    userDefinedIds: new Set(),
    bosId: undefined,
    eosId: undefined,
    endIds: new Set(),
    addBos: false,
  });
  expect(() => canonicalSequences(sentencePiece)).toThrow(
    "canonicalSequences: needs a byte-level vocabulary, got SentencePiece; allow all sequences",
  );
});
