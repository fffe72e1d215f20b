import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPreTokenizer, ggmlPreTokenizer, type PreTokenizer } from "@veridraft/tokenization";
import { compilePattern } from "../src/split-patterns.ts";

const byteLevel = { type: "ByteLevel", add_prefix_space: false };

function pieces(preTokenizer: PreTokenizer, text: string): string[] {
  const result: string[] = [];
  preTokenizer.split(text, (piece) => result.push(piece));
  return result;
}

const sequence = (...pretokenizers: object[]): PreTokenizer =>
  createPreTokenizer({ type: "Sequence", pretokenizers });
const make = (json: object) => () => createPreTokenizer(json as never);
const source = (pattern: string): string => compilePattern(pattern, "g").source;

const split = (name: string, text: string): string[] =>
  pieces(ggmlPreTokenizer(name).preTokenizer, text);

describe("ggmlPreTokenizer()", () => {
  it("splits as GPT-2", () => {
    expect(split("gpt-2", "I'm 12  years\n\n old!?")).toEqual([
      "I",
      "'m",
      " 12",
      " ",
      " years",
      "\n\n",
      " old",
      "!?",
    ]);
  });

  it("splits numbers into digits for smollm", () => {
    expect(split("smollm", "x 2024-11½ ok")).toEqual([
      "x",
      " ",
      "2",
      "0",
      "2",
      "4",
      "-",
      "1",
      "1",
      "½",
      " ok",
    ]);
    expect(split("smollm", "a  7   b")).toEqual(["a", "  ", "7", "  ", " b"]);
  });

  it("splits as Llama 3 and as Qwen 2", () => {
    expect(split("llama-bpe", "WE'LL pay 12345\r\n\n ok")).toEqual([
      "WE",
      "'LL",
      " pay",
      " ",
      "123",
      "45",
      "\r\n\n",
      " ok",
    ]);
    expect(split("qwen2", "it's(x) 12")).toEqual(["it", "'s", "(x", ")", " ", "1", "2"]);
    expect(ggmlPreTokenizer("llama-bpe").ignoreMerges).toBe(true);
    expect(ggmlPreTokenizer("qwen2").ignoreMerges).toBe(false);
  });

  it("splits as llama.cpp's default: punctuation first, numbers in threes", () => {
    expect(split("default", "a, b 1234")).toEqual(["a", ",", " b", " ", "123", "4"]);
  });

  it("counts U+0085 as white space and U+FEFF as not", () => {
    expect(split("gpt-2", "a\x85\x85b")).toEqual(["a", "\x85", "\x85", "b"]);
    expect(split("gpt-2", "a \ufeff\ufeffb")).toEqual(["a", " \ufeff\ufeff", "b"]);
  });

  it("names the supported values", () => {
    expect(() => ggmlPreTokenizer("kimi-k2")).toThrow(
      /^ggmlPreTokenizer: tokenizer\.ggml\.pre "kimi-k2" is not supported; supported are default, gpt-2, .*smollm, .*llama-bpe, .*qwen2/,
    );
  });

  it("loses nothing", () => {
    const names = ["default", "gpt-2", "smollm", "llama-bpe", "qwen2", "gpt-4o", "tekken"];
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.constantFrom(...names), (text, name) => {
        expect(split(name, text).join("")).toBe(text);
      }),
      { numRuns: 300 },
    );
  });
});

describe("createPreTokenizer()", () => {
  it("treats the fused smollm pattern like its two stages", () => {
    const fused = ggmlPreTokenizer("smollm").preTokenizer;
    const digits = { type: "Split", pattern: { Regex: "(?:\\p{N})" }, behavior: "Isolated" };
    const staged = createPreTokenizer({ type: "Sequence", pretokenizers: [digits, byteLevel] });
    const unit = fc.constantFrom(
      " ",
      "  ",
      "\n",
      "a",
      "'s",
      "'",
      "7",
      "½",
      "!",
      "é",
      "\x85",
      "\ufeff",
      "字",
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 20 }), (text) => {
        expect(pieces(fused, text)).toEqual(pieces(staged, text));
      }),
      { numRuns: 500 },
    );
  });

  it("reads the components of tokenizer.json", () => {
    expect(
      pieces(sequence({ type: "Digits", individual_digits: false }, byteLevel), "ab12 3"),
    ).toEqual(["ab", "12", " ", "3"]);
    const dots = { type: "Split", pattern: { String: "." }, behavior: "Isolated" };
    expect(pieces(sequence(dots, { ...byteLevel, use_regex: false }), "a.b c")).toEqual([
      "a",
      ".",
      "b c",
    ]);
  });

  it("names what it cannot do", () => {
    expect(make({ type: "Metaspace" })).toThrow(
      'createPreTokenizer: "Metaspace" is not supported; Sequence, Split (Isolated), Digits and ByteLevel are',
    );
    expect(make({ type: "ByteLevel", add_prefix_space: true })).toThrow(
      "ByteLevel with add_prefix_space",
    );
    expect(make({ type: "Split", behavior: "Removed", pattern: { String: " " } })).toThrow(
      "Split with behavior Removed",
    );
    expect(make({ type: "Digits" })).toThrow('"Digits" without ByteLevel is not byte-level BPE');
  });
});

describe("compilePattern()", () => {
  it("translates case folding, possessive quantifiers and white space", () => {
    expect(source("(?i:'s|(?:re))x")).toBe("(?:'[sS]|(?:[rR][eE]))x");
    expect(source("\\p{L}++|\\p{N}{1,3}+|a?+|b\\++")).toBe("\\p{L}+|\\p{N}{1,3}|a?|b\\++");
    expect(
      "\x85\ufeff".replaceAll(compilePattern("[\\s]|\\S", "g"), (c) => (c === "\x85" ? "s" : "S")),
    ).toBe("sS");
  });

  it("names a pattern that JavaScript does not have", () => {
    expect(() => compilePattern("\\p{Han}+", "g")).toThrow(
      /^compilePattern: the split pattern \\p\{Han\}\+ has no JavaScript equivalent: /,
    );
    expect(() => compilePattern("[^\\S]", "g")).toThrow("\\S inside a class");
  });
});
