import { describe, expect, it } from "vitest";
import { saveTables, tokenizerFromTables, type Vocabulary } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

const merges = ["h e", "l l", "he ll", "hell o", "Ġ hello", "b c", "a b", "ab c"];
const tokenizer = smallTokenizer(merges, ["<|end|>"], {
  normalizer: "NFC",
  eosId: 263,
  endIds: new Set([263]),
});
const tables = saveTables(tokenizer);
const text = "hello abcab e\u0301 hellohellohello 😀<|end|>";

describe("tokenizerFromTables()", () => {
  it("is the tokenizer that was saved", () => {
    const back = tokenizerFromTables(tables);
    expect(back.sha256).toBe(tokenizer.sha256);
    expect(back.encode(text, { special: true })).toEqual(tokenizer.encode(text, { special: true }));
    expect(back.decode(back.encode(text))).toBe(text.normalize());
    const { preTokenizer: _, ...rest } = tokenizer.vocabulary as Vocabulary;
    expect(back.vocabulary).toMatchObject(rest);
    expect(back.explain()).toEqual(tokenizer.explain());
    expect(back.idOf(" hello")).toBe(tokenizer.idOf(" hello"));
  });

  it("reads tables at any place of a buffer", () => {
    const shifted = new Uint8Array(tables.length + 1);
    shifted.set(tables, 1);
    expect(tokenizerFromTables(shifted.subarray(1)).encode("hello")).toEqual(
      tokenizer.encode("hello"),
    );
  });

  it("rejects other bytes, and tables that are cut off", () => {
    expect(() => tokenizerFromTables(new Uint8Array(20))).toThrow(
      'tokenizerFromTables: the bytes do not begin with "VDTT0003"; save the tables again with this version',
    );
    expect(() => tokenizerFromTables(tables.subarray(0, tables.length - 4))).toThrow(
      `tokenizerFromTables: the tables take ${tables.length} bytes, got ${tables.length - 4}; save them again`,
    );
    expect(() => tokenizerFromTables(tables.subarray(0, 40))).toThrow(
      "tokenizerFromTables: the header is not JSON; save the tables again",
    );
  });
});

describe("saveTables()", () => {
  it("refuses the heap encoder", () => {
    expect(() => saveTables(smallTokenizer(["ab c", "a b"]))).toThrow(
      "saveTables: only byte-level BPE with the linear encoder has tables, and this tokenizer has another",
    );
    expect(() => saveTables({} as never)).toThrow(
      "saveTables: the tokenizer must come from a function of @veridraft/tokenization, got another object",
    );
  });
});
