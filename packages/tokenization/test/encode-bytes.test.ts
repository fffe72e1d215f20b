import { readFileSync } from "node:fs";
import {
  decodeBytes,
  encodeBytes,
  type Tokenizer,
  tokenizerFromJson,
  tokenizerFromTiktoken,
} from "@veridraft/tokenization";
import { assert, property, string, uint8Array } from "fast-check";
import cl100k from "tiktoken/encoders/cl100k_base.json" with { type: "json" };
import { describe, expect, it } from "vitest";
import { smallTokenizer, unpackRanks } from "./vocabularies.ts";

const { json, variants } = JSON.parse(
  readFileSync(new URL("fixtures/sentence-piece.json", import.meta.url), "utf8"),
);
const ranks = unpackRanks(cl100k.bpe_ranks.split("\n")[0]);
const tokenizers: readonly (readonly [string, Tokenizer])[] = [
  ["a few merges", smallTokenizer(["h e", "l l", "he ll", "Ġ t", "Ġt he", "Ã ©"], ["<end>"])],
  ["cl100k", tokenizerFromTiktoken(ranks, { pattern: "cl100k" })],
  ["SentencePiece", tokenizerFromJson({ ...json, ...variants.llama }, { eos_token: "</s>" })],
];

describe.each(tokenizers)("%s", (_, tokenizer) => {
  it("gives any bytes back", () => {
    assert(
      property(uint8Array({ maxLength: 40 }), (bytes) => {
        expect(decodeBytes(tokenizer, encodeBytes(tokenizer, bytes))).toEqual(bytes);
      }),
    );
  });

  it("gives text back that is cut anywhere, and has its ids where it is whole", () => {
    assert(
      property(
        string({ unit: "binary", maxLength: 20 }),
        uint8Array({ maxLength: 2 }),
        (text, noise) => {
          const plain = text.replaceAll("▁", "");
          const bytes = new TextEncoder().encode(plain);
          expect(encodeBytes(tokenizer, bytes)).toEqual(tokenizer.encode(plain));
          const cut = Uint8Array.of(...bytes.subarray(1), ...noise, ...bytes.subarray(0, -1));
          expect(decodeBytes(tokenizer, encodeBytes(tokenizer, cut))).toEqual(cut);
        },
      ),
    );
  });
});

it("takes what is no character byte by byte", () => {
  const tokenizer = smallTokenizer(["h i", "â Ĥ"]);
  const ids = (...bytes: number[]) => [...encodeBytes(tokenizer, Uint8Array.from(bytes))];
  expect(ids(0x68, 0x69, 0xff, 0x68, 0x69)).toEqual([256, 0xff, 256]);
  // The first two bytes of a character are a token where it is whole.
  expect(ids(0xe2, 0x82, 0xac)).toEqual([257, 0xac]);
  expect(ids(0xe2, 0x82)).toEqual([0xe2, 0x82]);
  // Overlong, a surrogate, and beyond U+10FFFF.
  expect(ids(0xc0, 0xaf, 0xed, 0xa0, 0x80)).toEqual([0xc0, 0xaf, 0xed, 0xa0, 0x80]);
  expect(ids(0xf4, 0x90, 0x80, 0x80)).toEqual([0xf4, 0x90, 0x80, 0x80]);
});

it("says which byte has no token", () => {
  const whole = smallTokenizer([]);
  const pieces = "pieces" in whole.vocabulary ? [...whole.vocabulary.pieces] : [];
  pieces[7] = "x";
  const lacking = smallTokenizer([], [], { pieces });
  expect(() => encodeBytes(lacking, Uint8Array.of(65, 7))).toThrow(
    "encodeBytes: byte 7 at 1 has no token in this vocabulary; tokenizer.missingBytes lists all such",
  );
});
