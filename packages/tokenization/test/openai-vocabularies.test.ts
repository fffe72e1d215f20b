/** The vocabularies of OpenAI, as the npm package of tiktoken carries them; experiments/reference-ids.ts compares more text. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  saveTables,
  tiktokenEncodings,
  tokenizerFromTables,
  tokenizerFromTiktoken,
  toTiktoken,
} from "@veridraft/tokenization";
import { get_encoding as getEncoding } from "tiktoken";
import cl100k from "tiktoken/encoders/cl100k_base.json" with { type: "json" };
import o200k from "tiktoken/encoders/o200k_base.json" with { type: "json" };
import p50k from "tiktoken/encoders/p50k_base.json" with { type: "json" };
import p50kEdit from "tiktoken/encoders/p50k_edit.json" with { type: "json" };
import r50k from "tiktoken/encoders/r50k_base.json" with { type: "json" };
import { unpackRanks } from "./vocabularies.ts";

const vocabularies = [
  ["r50k_base", r50k],
  ["p50k_base", p50k],
  ["p50k_edit", p50kEdit],
  ["cl100k_base", cl100k],
  ["o200k_base", o200k],
] as const;

const licence = readFileSync(new URL("../LICENSE", import.meta.url), "utf8");
const code = readFileSync(new URL("../src/scanners.ts", import.meta.url), "utf8");
const odd =
  "I'M fine, WE'Ve  12345\r\n\n\t字かな 한국어 naïve ǅemal Straße \x85\ufeff 👩\u200d🦰 a\u0301B";
const texts = [licence, code, odd, "a".repeat(500), " ".repeat(300), "_".repeat(300)];

describe.each(vocabularies)("%s", (name, { bpe_ranks: ranks }) => {
  const file = unpackRanks(ranks);
  const encodingOptions = tiktokenEncodings[name];
  const tokenizer = tokenizerFromTiktoken(file, encodingOptions);

  it("has the ids of tiktoken, and decodes to the text", () => {
    const encoding = getEncoding(name);
    for (const text of texts) {
      const ids = tokenizer.encode(text);
      expect(ids).toEqual(Int32Array.from(encoding.encode_ordinary(text)));
      expect(tokenizer.decode(ids)).toBe(text);
    }
    const control = Object.keys(encodingOptions.special).join("a b");
    expect(tokenizer.encode(control, { special: true })).toEqual(
      Int32Array.from(encoding.encode(control, "all")),
    );
    encoding.free();
  });

  it("has the linear encoder, and comes back from its file and its tables", () => {
    expect(tokenizer.explain()).toMatchObject({ encoder: "linear", split: "scanner", deadIds: [] });
    expect(toTiktoken(tokenizer).trimEnd()).toBe(file.trimEnd());
    expect(tokenizerFromTables(saveTables(tokenizer)).encode(odd)).toEqual(tokenizer.encode(odd));
  });
});

it("has the ids of GPT-2 that are published", () => {
  // Made by OpenAI's encoder: h | F0 9F 98 | 80 | C3 A9, and a date.
  const tokenizer = tokenizerFromTiktoken(unpackRanks(r50k.bpe_ranks), tiktokenEncodings.r50k_base);
  expect([...tokenizer.encode("h😀é")]).toEqual([71, 47_249, 222, 2634]);
  expect([...tokenizer.encode("naïve")]).toEqual([2616, 38_776]);
  expect([...tokenizer.encode("2024-11-22")]).toEqual([1238, 1731, 12, 1157, 12, 1828]);
});
