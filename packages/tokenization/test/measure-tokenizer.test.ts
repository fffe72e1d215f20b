import { describe, expect, it } from "vitest";
import { measureTokenizer } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

describe("measureTokenizer()", () => {
  it("measures what can be counted by hand", () => {
    // "ab ab é": ab | " ab" | " " | C3 | A9, 7 characters, 8 bytes; " ab" is one token twice, " é" three.
    const tokenizer = smallTokenizer(["a b", "Ġ ab"]);
    expect(measureTokenizer(tokenizer, ["ab ab é"])).toEqual({
      vocabSize: 258,
      tokens: 5,
      bytesPerToken: 8 / 5,
      charactersPerToken: 7 / 5,
      fertility: 5 / 3,
      wholeWords: 2 / 3,
      usedVocabulary: 5 / 258,
      // All five are equally frequent, so the entropy is log 5 at every order.
      renyiEfficiency: expect.closeTo(Math.log(5) / Math.log(258), 12),
    });
  });

  it("adds texts up", () => {
    const tokenizer = smallTokenizer(["a b"]);
    expect(measureTokenizer(tokenizer, ["ab ab", "b"])).toMatchObject({
      tokens: 4,
      fertility: 2,
      wholeWords: 0,
    });
  });

  it("rejects texts without a word", () => {
    expect(() => measureTokenizer(smallTokenizer([]), [" "])).toThrow(
      "measureTokenizer: texts must hold a word, got 1 characters without one",
    );
  });
});
