import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createTokenizer,
  encodeWithOffsets,
  splitAtTokens,
  type Tokenizer,
} from "@veridraft/tokenization";
import { kindOf } from "../src/kind.ts";
import { bytePieces, smallTokenizer } from "./vocabularies.ts";

const tokenizer = smallTokenizer(["h e", "l l", "he ll", "hell o", "Ġ hello", "ð Ł"], ["<|x|>"]);

/** "▁" and a few words over bytes, as SentencePiece has them. */
const sentencePiece = createTokenizer({
  pieces: [
    ...Array.from(
      bytePieces.keys(),
      (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    ),
    "▁",
    "a",
    "b",
    "ab",
    "▁ab",
    "<s>",
  ],
  scores: [...bytePieces.map(() => -9), -9, -9, -9, -1, 0, 0],
  specialIds: new Set([261]),
  userDefinedIds: new Set(),
  addSpacePrefix: true,
  addBos: false,
  bosId: 261,
  eosId: undefined,
  endIds: new Set(),
});

function spans(from: Tokenizer, text: string): [piece: string, text: string, bytes: string][] {
  const { ids, starts, ends, byteStarts, byteEnds } = encodeWithOffsets(from, text, {
    special: true,
  });
  return Array.from(ids, (id, i) => [
    from.piece(id),
    text.slice(starts[i], ends[i]),
    `${byteStarts[i]}-${byteEnds[i]}`,
  ]);
}

describe("encodeWithOffsets()", () => {
  it("tells where tokens are, and gives parts of a character all of it", () => {
    // 😀 is F0 9F 98 80: one token of two bytes and two of one.
    expect(spans(tokenizer, "é hello<|x|>😀")).toEqual([
      ["\\xC3", "é", "0-1"],
      ["\\xA9", "é", "1-2"],
      [" hello", " hello", "2-8"],
      ["<|x|>", "<|x|>", "8-13"],
      ["\\xF0\\x9F", "😀", "13-15"],
      ["\\x98", "😀", "15-16"],
      ["\\x80", "😀", "16-17"],
    ]);
  });

  it("leaves the space before a SentencePiece text out, after control tokens, too", () => {
    expect(spans(sentencePiece, "ab ab<s>ab▁ab é")).toEqual([
      [" ab", "ab", "0-2"],
      [" ab", " ab", "2-5"],
      ["<s>", "<s>", "5-8"],
      [" ab", "ab", "8-10"],
      [" ab", "▁ab", "10-15"],
      [" ", " ", "15-16"],
      ["\\xC3", "é", "16-17"],
      ["\\xA9", "é", "17-18"],
    ]);
  });

  it("leaves out bytes that the vocabulary lacks", () => {
    const lacking = smallTokenizer(["a b"], [], {
      pieces: [...bytePieces.filter((piece) => piece !== "x"), "ab"],
    });
    expect(spans(lacking, "xabxxa")).toEqual([
      ["ab", "ab", "1-3"],
      ["a", "a", "5-6"],
    ]);
  });

  it("tiles any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const { ids, starts, ends, byteStarts, byteEnds } = encodeWithOffsets(tokenizer, text);
        expect(ids).toEqual(tokenizer.encode(text));
        expect(byteStarts.slice(1)).toEqual(byteEnds.slice(0, -1));
        const bytes = Buffer.from(text);
        for (const [i, id] of ids.entries()) {
          expect(bytes.subarray(byteStarts[i], byteEnds[i])).toEqual(
            Buffer.from(tokenizer.tokenBytes(id)),
          );
          expect(ends[i]).toBeGreaterThan(starts[i]);
        }
        expect(ends[ids.length - 1] ?? 0).toBe(text.length);
      }),
      { numRuns: 200 },
    );
  });

  it("gives a token all of what the normalizer made its bytes of", () => {
    const composed = smallTokenizer(["Ã ©", "x y"], ["<|x|>"], { normalizer: "NFC" });
    // "é" of two code points is one token; a Hangul syllable of three is three bytes of one place.
    expect(spans(composed, "xe\u0301y<|x|>\u1112\u1161\u11abé")).toEqual([
      ["x", "x", "0-1"],
      ["é", "e\u0301", "1-4"],
      ["y", "y", "4-5"],
      ["<|x|>", "<|x|>", "5-10"],
      ["\\xED", "\u1112\u1161\u11ab", "10-19"],
      ["\\x95", "\u1112\u1161\u11ab", "10-19"],
      ["\\x9C", "\u1112\u1161\u11ab", "10-19"],
      ["é", "é", "19-21"],
    ]);
    // A control token ends what may be composed: ">" with a stroke would be another character.
    expect(spans(composed, "<|x|>\u0338").map(([piece]) => piece)).toEqual([
      "<|x|>",
      "\\xCC",
      "\\xB8",
    ]);
  });

  it("leaves no part of a text out that the normalizer changes, and takes none twice", () => {
    const composed = smallTokenizer(["Ã ©", "a b"], [], { normalizer: "NFC" });
    const unit = fc.constantFrom(..."aeoéX \u0301\u0308\u0323\u1112\u1161\u11ab\u212b\ufb01😀");
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 16 }), (text) => {
        const { ids, starts, ends } = encodeWithOffsets(composed, text);
        expect(ids).toEqual(composed.encode(text));
        const places = [...new Set(Array.from(starts, (start, i) => `${start} ${ends[i]}`))];
        const slices = places.map((place) => text.slice(...place.split(" ").map(Number)));
        expect(slices.join("")).toBe(text);
        expect(slices.map((slice) => slice.normalize()).join("")).toBe(text.normalize());
      }),
      { numRuns: 500 },
    );
  });
});

/** What the encoder does to cut a text after 100 tokens. */
const workFor = (text: string): number => {
  const fresh = smallTokenizer(["h e", "l l", "he ll"]); // which has kept no pieces
  const [head, tail] = splitAtTokens(fresh, text, 100);
  const work = kindOf("test", fresh).encoder.operations;
  expect(work).toBeGreaterThan(0);
  expect(fresh.count(head)).toBe(100);
  expect(head + tail).toBe(text);
  return work;
};

describe("splitAtTokens()", () => {
  it("cuts between tokens, and never through a character", () => {
    expect(splitAtTokens(tokenizer, "hello hello hello", 2)).toEqual(["hello hello", " hello"]);
    expect(splitAtTokens(tokenizer, "hello😀", 3)).toEqual(["hello", "😀"]);
    expect(splitAtTokens(tokenizer, "hello", 0)).toEqual(["", "hello"]);
    expect(splitAtTokens(tokenizer, "hello", 9)).toEqual(["hello", ""]);
  });

  it("does not read a long text to its end", () => {
    const sentence = "hello😀 hello's 1234 é and words ";
    expect(workFor(sentence.repeat(10_000))).toBe(workFor(sentence.repeat(1000)));
  });

  it("gives a head of no more tokens, and loses nothing", () => {
    const unit = fc.constantFrom("hello", " ", "\n", "h", "😀", "'s", "1");
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 400 }), fc.nat({ max: 12 }), (text, tokens) => {
        const [head, tail] = splitAtTokens(tokenizer, text, tokens);
        expect(head + tail).toBe(text);
        expect(tokenizer.count(head)).toBeLessThanOrEqual(tokens);
        // As many as fit, but where a head ends in another way than it goes on.
        const least = tail === "" ? 0 : tokens - 4;
        expect(tokenizer.count(head)).toBeGreaterThanOrEqual(least);
      }),
    );
  });
});
