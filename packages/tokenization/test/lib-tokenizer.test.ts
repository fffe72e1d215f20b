import { createLibTokenizer, RankedLexicon } from "@veridraft/tokenization/systems";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { forcedLength } from "../src/lib-lexicon.ts";

const shown = (units: string[], text: string): string => {
  const tokenizer = createLibTokenizer(units);
  return [...tokenizer.encode(text)].map((id) => tokenizer.decode([id])).join("|");
};

// LiB, section 5.
test("the longest and the second longest match", () => {
  const lexicon = new RankedLexicon(["a", "b", "ab", "abc"]);
  expect(lexicon.match([..."abcx"], 0)).toEqual({ longest: 3, second: 2 });
  expect(lexicon.match([..."ax"], 0)).toEqual({ longest: 1, second: 0 });
  expect(forcedLength(lexicon, ["x"], 0)).toBe(1);
  expect(forcedLength(lexicon, ["x"], 1)).toBe(0);
});

test("two paths: ab, c has the ranks 4 + 2, a, bc has 0 + 3", () => {
  expect(shown(["a", "b", "c", "bc", "ab"], "abc")).toBe("a|bc");
  expect(shown(["ab", "c", "a", "b", "bc"], "abc")).toBe("ab|c");
});

test("fewer units win whatever their ranks", () => {
  expect(shown(["a", "b", "c", "d", "ab", "abc", "cdd"], "abcdd")).toBe("ab|cdd");
});

test("a unit without a shorter one is taken whole", () => {
  expect(shown(["abc"], "abcabc")).toBe("abc|abc");
});

test("every text comes back, in units or bytes", () => {
  const units = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", " "), minLength: 1, maxLength: 4 }),
  );
  const texts = fc.string({ unit: fc.constantFrom("a", "b", " ", "é", "😀"), maxLength: 30 });
  fc.assert(
    fc.property(units, texts, (learned, text) => {
      const tokenizer = createLibTokenizer(learned);
      const ids = tokenizer.encode(text);
      expect(tokenizer.decode(ids)).toBe(text);
      expect(ids.length).toBeLessThanOrEqual(Buffer.byteLength(text));
      ids.forEach((id) => expect(id).toBeLessThan(256 + tokenizer.units.length));
    }),
  );
});

test("an id outside the vocabulary", () => {
  expect(() => createLibTokenizer(["a"]).decode([257])).toThrow(
    "decode: ids must be in [0, 257), got 257",
  );
  expect(createLibTokenizer([]).decode(createLibTokenizer([]).encode("\uD800"))).toBe("\uFFFD");
});
