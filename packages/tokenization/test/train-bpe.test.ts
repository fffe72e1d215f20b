import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createTokenizer,
  toTokenizerJson,
  tokenizerFromJson,
  type Vocabulary,
} from "@veridraft/tokenization";
import { protectStrings, trainBpe, type TrainOptions } from "@veridraft/tokenization/training";
import trained from "./fixtures/trained.json" with { type: "json" };
import { smallTokenizer } from "./vocabularies.ts";

const licence = readFileSync(new URL("../LICENSE", import.meta.url), "utf8").split("\n");

/** The trainer as it is defined: all pairs are counted again for each merge. */
function naiveTrain(texts: readonly string[], count: number, pieces: string[]): string[] {
  const idOf = new Map(pieces.map((piece, id) => [piece, id]));
  const { preTokenizer } = smallTokenizer([]).vocabulary as Vocabulary;
  const words: string[][] = [];
  for (const text of texts) {
    preTokenizer.split(text, (piece) =>
      words.push([...Buffer.from(piece)].map((byte) => smallTokenizer([]).vocabulary.pieces[byte])),
    );
  }
  const merges: string[] = [];
  while (merges.length < count) {
    const pairs = new Map<string, number>();
    for (const symbols of words) {
      for (let i = 0; i + 1 < symbols.length; i++) {
        const pair = `${symbols[i]} ${symbols[i + 1]}`;
        pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
      }
    }
    const rank = (pair: string): number[] =>
      pair.split(" ").map((piece) => idOf.get(piece) as number);
    const [best] = [...pairs.keys()].toSorted((a, b) => {
      const [[a1, a2], [b1, b2]] = [rank(a), rank(b)];
      return (pairs.get(b) as number) - (pairs.get(a) as number) || a1 - b1 || a2 - b2;
    });
    if (best === undefined) break;
    const [left, right] = best.split(" ");
    if (!idOf.has(left + right)) idOf.set(left + right, idOf.size);
    merges.push(best);
    for (const symbols of words) {
      for (let i = 0; i + 1 < symbols.length; i++) {
        if (symbols[i] === left && symbols[i + 1] === right) symbols.splice(i, 2, left + right);
      }
    }
  }
  return merges;
}

const train = (texts: readonly string[], options: Partial<TrainOptions>): Promise<Vocabulary> =>
  trainBpe(texts, { vocabSize: 300, minFrequency: 1, ...options });

describe("trainBpe()", () => {
  it.each(Object.entries(trained))(
    "learns what Hugging Face's trainer learns: %s",
    async (_, vector) => {
      const { pieces, merges, texts, ...options } = vector;
      const vocabulary = await trainBpe(texts ?? licence, options);
      expect(vocabulary.merges).toEqual(merges);
      expect(vocabulary.pieces).toEqual(pieces);
    },
  );

  it("learns what the definition learns", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c", " ", "é"), maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 6 }), async (texts) => {
        const { pieces } = await train([], { vocabSize: 256 });
        const { merges } = await train(texts, { vocabSize: 275 });
        // A merge that makes a token again adds no token, so there may be more than 19.
        expect(merges).toEqual(naiveTrain(texts, merges.length, [...pieces]));
      }),
      { numRuns: 100 },
    );
  });

  it("reads a stream, and reports how far it is", async () => {
    const seen: number[] = [];
    async function* stream(): AsyncGenerator<string> {
      for (const line of licence) yield line;
    }
    const { merges } = await trainBpe(stream(), {
      vocabSize: 300,
      onProgress: ({ merges: done }) => seen.push(done),
    });
    expect(merges).toEqual((await trainBpe(licence, { vocabSize: 300 })).merges);
    expect(seen).toEqual([...Array.from({ length: 44 }, (_, i) => i + 1), 44]);
  });

  it("makes no token above a length, and stops where no pair is left", async () => {
    const { pieces } = await train(licence, { vocabSize: 4096, longestToken: 3 });
    expect(Math.max(...pieces.map((piece) => piece.length))).toBe(3);
    expect(pieces.length).toBeLessThan(4096);
  });

  it("gives the linear encoder, whole words, and a file that comes back the same", async () => {
    const special = ["<|endoftext|>", "<pad>"];
    const tokenizer = createTokenizer(await trainBpe(licence, { vocabSize: 1200, special }));
    expect(tokenizer.explain()).toMatchObject({ encoder: "linear", split: "scanner", deadIds: [] });
    expect(tokenizer.eosId).toBe(0);
    expect([...tokenizer.encode(" Licensor")].map(tokenizer.piece)).toEqual([" Licensor"]);
    const back = tokenizerFromJson(toTokenizerJson(tokenizer), { eos_token: "<|endoftext|>" });
    expect(back.sha256).toBe(tokenizer.sha256);
  });

  it("holds no more pieces than it may", async () => {
    const few = await trainBpe(licence, { vocabSize: 300, mostPieces: 100 });
    expect(few.merges.length).toBe(44);
    const all = await trainBpe(licence, { vocabSize: 300 });
    expect(few.merges.slice(0, 4)).toEqual(all.merges.slice(0, 4));
  });

  it("rejects a size without room for the bytes", async () => {
    await expect(train([], { vocabSize: 256, special: ["<s>"] })).rejects.toThrow(
      "trainBpe: vocabSize must be an integer >= 257, which bytes and control tokens take, got 256",
    );
    await expect(train([], { vocabSize: 256, protect: ["abc"] })).rejects.toThrow(
      "trainBpe: vocabSize must have room for what 1 protected strings take, got 256",
    );
  });
});

describe("protectStrings()", () => {
  const protect = [" indemnification", "2024", "§§", "</", "  ", " Licensor"];

  it("makes each string one token, within the size", async () => {
    const vocabulary = await trainBpe(licence, { vocabSize: 600, protect });
    expect(vocabulary.pieces.length).toBe(600);
    const tokenizer = createTokenizer(vocabulary);
    expect(tokenizer.explain().encoder).toBe("linear");
    expect(protect.map((string) => tokenizer.count(string))).toEqual(protect.map(() => 1));
    // Not inside of a longer piece where the merges of that piece go another way.
    expect(tokenizer.decode(tokenizer.encode("20245 indemnifications"))).toBe(
      "20245 indemnifications",
    );
  });

  it("keeps ids and encodings of what was there", () => {
    const before = smallTokenizer(["h e", "l l", "he ll"]);
    const after = createTokenizer(
      protectStrings(before.vocabulary as Vocabulary, ["hello", "llama"]),
    );
    expect(after.vocabulary.pieces.slice(0, 259)).toEqual(before.vocabulary.pieces);
    expect([...after.encode("hell he")]).toEqual([...before.encode("hell he")]);
    expect([after.count("hello"), after.count("llama")]).toEqual([1, 1]);
  });

  it("makes any strings one token each, in any order, on any vocabulary", () => {
    const unit = fc.constantFrom("h", "e", "l", "é");
    const string = fc.string({ unit, minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(string, { maxLength: 5 }), (strings) => {
        const { vocabulary } = smallTokenizer(["h e", "l l", "he ll", "l e"]);
        const tokenizer = createTokenizer(protectStrings(vocabulary as Vocabulary, strings));
        expect(strings.map((text) => tokenizer.count(text))).toEqual(strings.map(() => 1));
      }),
    );
  });

  it("names a string that the split cuts", () => {
    expect(() => protectStrings(smallTokenizer([]).vocabulary as Vocabulary, ["a b"])).toThrow(
      'protectStrings: "a b" must be one piece of the split, got 2',
    );
  });
});
