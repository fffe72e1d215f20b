import { createRng } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeWithDropout } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

const tokenizer = smallTokenizer(["a b", "ab c", "b c", "a bc"], [], {
  pieces: [...smallTokenizer(["a b", "ab c", "b c"]).vocabulary.pieces],
});

/** The law of the segmentations of "abc". */
async function lawOf(p: number): Promise<Record<string, number>> {
  const law = await exactLaw((key) =>
    [...encodeWithDropout(tokenizer, "abc", p, key.at(0, "sample"))].map(tokenizer.piece).join("|"),
  );
  return Object.fromEntries(law);
}

describe("encodeWithDropout()", () => {
  it("has the exact law of the paper's procedure", async () => {
    // Worked by hand: at the first step ab and bc are each dropped with p, and so on.
    const tenth = await lawOf(0.1);
    expect(tenth.abc).toBeCloseTo(891 / 1000, 12);
    expect(tenth["ab|c"]).toBeCloseTo(9 / 100, 12);
    expect(tenth["a|bc"]).toBeCloseTo(9 / 1000, 12);
    expect(tenth["a|b|c"]).toBeCloseTo(1 / 100, 12);
    const half = await lawOf(0.5);
    expect(half.abc).toBeCloseTo(3 / 8, 12);
    expect(half["ab|c"]).toBeCloseTo(1 / 4, 12);
    expect(half["a|bc"]).toBeCloseTo(1 / 8, 12);
    expect(half["a|b|c"]).toBeCloseTo(1 / 4, 12);
  });

  it("is byte pair encoding at 0, bytes at 1, and decodes to the text in between", () => {
    const other = smallTokenizer(["h e", "l l", "he ll", "hell o", "Ġ hello"]);
    const unit = fc.constantFrom("hello", " ", "h", "l", "é", "😀", "\ud800");
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 10 }), fc.nat(), (text, seed) => {
        const rng = createRng(seed).at(0, "sample");
        expect(encodeWithDropout(other, text, 0, rng)).toEqual(other.encode(text));
        expect([...encodeWithDropout(other, text, 1, rng)]).toEqual([...Buffer.from(text)]);
        const ids = encodeWithDropout(other, text, 0.4, rng);
        expect(other.decode(ids)).toBe(other.decode(other.encode(text)));
      }),
    );
  });

  it("rejects a probability that is none", () => {
    expect(() => encodeWithDropout(tokenizer, "", 1.5, createRng(1).at(0, "sample"))).toThrow(
      "encodeWithDropout: p must be in [0, 1], got 1.5",
    );
  });
});
