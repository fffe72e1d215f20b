import { ByteBeam, cutPrompt, fillInMiddle } from "@veridraft/tokenization/bytes";
import { expect, test } from "vitest";
import { byteToy, type Law } from "./byte-models.ts";
import { smallTokenizer } from "./vocabularies.ts";

const tokenizer = smallTokenizer(["a b", "Ġ a"], ["<s>"]);
const start = tokenizer.vocabSize - 1;
const shown = (parts: (number | string)[]) => {
  const { context, bytes } = cutPrompt(tokenizer, parts);
  return [[...context].map(tokenizer.piece).join("|"), Buffer.from(bytes).toString()];
};

test.each([
  [[start, "ab ab"], "<s>|ab", " ab"],
  [[start, "ab"], "<s>", "ab"],
  [[start, "ab  ab "], "<s>|ab| | |ab", " "],
  [[start, "ab \nab"], "<s>|ab", " \nab"],
  [["ab ab", start], "ab| |ab|<s>", ""],
  [[], "", ""],
])("%o is cut before its last word", (parts, context, open) => {
  expect(shown(parts)).toEqual([context, open]);
});

test("a prompt to fill in ends with what is before the gap", () => {
  expect(fillInMiddle({ prefix: 1, suffix: 2, middle: 3 }, "before", "after")).toEqual([
    1,
    2,
    "after",
    3,
    "before",
  ]);
});

test("an identifier that is cut inside a token is completed", async () => {
  // The source has "foobar" as foo, bar. Cut after "foob", an encoding with b at its end is never seen.
  const toy = byteToy(["f o", "fo o", "b a", "ba r"], (history): Law => {
    if (history.length < 3) return { foo: 1 };
    return history.at(-1) === "foo" ? { bar: 1 } : { f: 1 };
  });
  const parts = fillInMiddle({ prefix: toy.bos, suffix: toy.bos, middle: toy.bos }, "foob", "");
  const { context, bytes } = cutPrompt(
    toy.tokenizer,
    parts.filter((part) => part !== ""),
  );
  const beam = await ByteBeam.open(toy.model, toy.trie, context);
  // oxlint-disable-next-line no-await-in-loop -- bytes come one after the other
  for (const byte of bytes) await beam.advance(byte);
  expect(beam.next()[0x61]).toBeCloseTo(1, 9);
});
