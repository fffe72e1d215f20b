import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCounter, createPreTokenizer, ggmlPreTokenizer } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

const merges = ["h e", "l l", "he ll", "hell o", "Ġ hello"];
const names = ["gpt-2", "smollm", "llama-bpe", "qwen2", "gpt-4o", "tekken"];
const tokenizers = names.flatMap((name) => [
  smallTokenizer(merges, [], ggmlPreTokenizer(name)),
  smallTokenizer([...merges, "Ã ©"], [], { ...ggmlPreTokenizer(name), normalizer: "NFC" }),
]);
const unit = fc.constantFrom(
  "hello",
  " ",
  "\n",
  "h",
  "'",
  "s",
  "1",
  "😀",
  "\u0301",
  "\u0323",
  "b",
  "e",
  "\u1112",
  "\u1161\u11ab",
  "A",
  "字",
  "/",
);

describe("createCounter()", () => {
  it("counts as encode does, while text comes and goes", () => {
    const change = fc.oneof(
      fc.string({ unit, maxLength: 8 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...tokenizers),
        fc.array(change, { maxLength: 12 }),
        (tokenizer, changes) => {
          const counter = createCounter(tokenizer);
          let text = "";
          for (const next of changes) {
            const isText = typeof next === "string";
            // Not cut through a surrogate pair: what would be left is not what was there.
            text = isText
              ? text + next
              : [...text].slice(0, Math.floor(next * text.length)).join("");
            const count = isText ? counter.append(next) : counter.truncate(text.length);
            expect(count).toBe(tokenizer.count(text));
            expect(counter.length).toBe(text.length);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it("rejects a length that is not there", () => {
    const counter = createCounter(tokenizers[0]);
    counter.append("hello");
    expect(() => counter.truncate(6)).toThrow(
      "TokenCounter.truncate: length must be an integer in [0, 5], got 6",
    );
  });

  it("refuses tokenizers in which anything may change the start", () => {
    const preTokenizer = createPreTokenizer({
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: "x" }, behavior: "Isolated" },
        { type: "ByteLevel", use_regex: false },
      ],
    });
    expect(() => createCounter(smallTokenizer(merges, [], { preTokenizer }))).toThrow(
      "createCounter: a tokenizer without scanner or with user-defined tokens is not supported; count the whole text",
    );
  });
});

describe("count() with a limit", () => {
  it("is the count up to the limit, and one more above it", () => {
    const long = "hello world ".repeat(20_000);
    const [tokenizer] = tokenizers;
    const count = tokenizer.count(long);
    for (const limit of [0, 1, 10, count - 1])
      expect(tokenizer.count(long, { limit })).toBe(limit + 1);
    for (const limit of [count, count + 1]) expect(tokenizer.count(long, { limit })).toBe(count);
  });
});
