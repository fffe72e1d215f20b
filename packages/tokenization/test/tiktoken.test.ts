import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tokenizerFromTiktoken, toTiktoken } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

const merges = ["h e", "l l", "he ll", "hell o", "Ġ hello", "Ã ©"];
const tokenizer = smallTokenizer(merges);
const file = toTiktoken(tokenizer);
const special = { "<|endoftext|>": 300, "<|x|>": 262 };
const back = tokenizerFromTiktoken(file, { pattern: "r50k", special });

const load = (text: string) => () => tokenizerFromTiktoken(text, { pattern: "r50k" });
const line = (text: string, id: number): string => `${Buffer.from(text).toString("base64")} ${id}`;

/** Tiktoken by its definition: a piece that is a token, or the two neighbors whose bytes together have the lowest rank, leftmost first. */
function tiktoken(piece: string, ids: ReadonlyMap<string, number>): number[] {
  const whole = ids.get(piece);
  if (whole !== undefined) return [whole];
  const parts = [...piece];
  for (;;) {
    const ranks = parts.slice(1).map((part, i) => ids.get(parts[i] + part) ?? Infinity);
    const best = Math.min(...ranks);
    if (best === Infinity) return parts.map((part) => ids.get(part) as number);
    const at = ranks.indexOf(best);
    parts.splice(at, 2, parts[at] + parts[at + 1]);
  }
}

describe("tokenizerFromTiktoken()", () => {
  it("finds the merges that the file leaves out", () => {
    expect(back.vocabulary).toMatchObject({ merges });
    expect(back.vocabSize).toBe(301);
    expect([back.eosId, back.bosId, back.algorithm]).toEqual([300, undefined, "linear"]);
    expect(back.vocabulary.pieces.slice(260, 264)).toEqual(["Ġhello", "Ã©", "<|x|>", ""]);
  });

  it("encodes as the tokenizer that wrote the file", () => {
    const text = "hello hello, hell é 😀\n";
    expect(back.encode(text)).toEqual(tokenizer.encode(text));
    expect([...back.encode("hell<|x|>", { special: true })]).toEqual([258, 262]);
    expect(back.decode([258, 262, 300])).toBe("hell<|x|><|endoftext|>");
  });

  it("merges any two parts of a token that has no merge of its own", () => {
    // "abc" after "bc" and "ab": its bytes encode to a|bc or ab|c, not to a merge. Worked by hand: "bc" ranks first, so abc comes from a|bc.
    const lines = ["a", "b", "c", "d", "bc", "ab", "abc", "cd"].map(line).join("\n");
    const odd = tokenizerFromTiktoken(lines, { pattern: "r50k" });
    expect([...odd.encode("abcd")]).toEqual([6, 3]);
    // "abcde" cannot be made of two tokens: it is one only as a whole piece.
    const whole = tokenizerFromTiktoken(`${lines}\n${line("dabcd", 9)}`, { pattern: "r50k" });
    expect([...whole.encode("dabcd")]).toEqual([9]);
    expect([...whole.encode("dabcda")]).toEqual([3, 6, 3, 0]);
  });

  it("equals the definition on files that no trainer wrote", () => {
    const algorithms = new Set<string>();
    const word = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(
        fc.uniqueArray(word, { minLength: 3, maxLength: 16 }),
        fc.array(fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 24 }), {
          minLength: 10,
          maxLength: 10,
        }),
        (words, texts) => {
          const ids = new Map(["a", "b", ...words].map((text, id) => [text, id]));
          const lines = [...ids].map(([text, id]) => line(text, id));
          const drawn = tokenizerFromTiktoken(lines.join("\n"), { pattern: "r50k" });
          algorithms.add(drawn.algorithm);
          for (const text of texts) expect([...drawn.encode(text)]).toEqual(tiktoken(text, ids));
        },
      ),
      { numRuns: 500, seed: 1 },
    );
    expect([...algorithms].toSorted()).toEqual(["heap", "linear"]);
  });

  it("names the line that is no token", () => {
    const words = "is not a token in base64 and a rank of at least";
    expect(load("IQ== 0\nx")).toThrow(
      `tokenizerFromTiktoken: line 2, "x", ${words} 1 and below 16777216`,
    );
    expect(load("IQ== 0\nIg== 0")).toThrow(`line 2, "Ig== 0", ${words} 1`);
    expect(load("IQ==0")).toThrow(`line 1, "IQ==0", ${words} 0`);
    expect(load("IQ== 4x")).toThrow(`line 1, "IQ== 4x", ${words} 0`);
    expect(load("IQ== 99999999999")).toThrow(`line 1, "IQ== 99999999999", ${words} 0`);
    expect(load("IQ== 0\r\nIg== 1\r\n")).not.toThrow();
    expect(load("I! 0")).toThrow(`line 1, "I! 0", ${words} 0`);
  });

  it("names a control token whose id is taken", () => {
    expect(() =>
      tokenizerFromTiktoken("IQ== 0", { pattern: "r50k", special: { "<s>": 0 } }),
    ).toThrow(
      'tokenizerFromTiktoken: the id of "<s>" must be an integer >= 0 that no other token has, got 0',
    );
  });

  it("names a pattern that JavaScript does not have", () => {
    expect(() => tokenizerFromTiktoken("IQ== 0", { pattern: "(" })).toThrow(
      "no JavaScript equivalent",
    );
  });
});

describe("toTiktoken()", () => {
  it("writes bytes and ranks", () => {
    const lines = file.split("\n");
    expect(lines[0]).toBe("AA== 0");
    expect(lines.slice(256)).toEqual([
      "aGU= 256",
      "bGw= 257",
      "aGVsbA== 258",
      "aGVsbG8= 259",
      "IGhlbGxv 260",
      "w6k= 261",
      "",
    ]);
  });

  it("refuses ids in another order than the merges", () => {
    const odd = smallTokenizer(merges, [], {
      pieces: smallTokenizer(merges.toReversed()).vocabulary.pieces,
    });
    expect(() => toTiktoken(odd)).toThrow(
      'toTiktoken: token 257, "Ġhello", has merge 4, before merge 5 of a smaller id, and tiktoken merges by id',
    );
  });
});
