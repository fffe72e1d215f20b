import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadTokenizerJson, type TokenizerJson, toTokenizerJson } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

const wordPiece = {
  added_tokens: [
    { id: 0, content: "[UNK]", special: true },
    { id: 1, content: "[CLS]", special: true },
  ],
  normalizer: { type: "BertNormalizer", lowercase: true },
  pre_tokenizer: { type: "BertPreTokenizer" },
  decoder: { type: "WordPiece", prefix: "##", cleanup: false },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: { "[UNK]": 0, "[CLS]": 1, play: 2, "##ing": 3, "##s": 4, a: 5 },
  },
} as unknown as TokenizerJson;

const unigram = {
  added_tokens: [{ id: 0, content: "<unk>", special: true }],
  normalizer: null,
  pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
  decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
  model: {
    type: "Unigram",
    unk_id: 0,
    // "▁ab" as one piece scores -3, as ▁a + b -4: worked by hand.
    vocab: [
      ["<unk>", 0],
      ["▁", -2],
      ["▁a", -2],
      ["a", -2],
      ["b", -2],
      ["▁ab", -3],
    ],
  },
} as unknown as TokenizerJson;

describe("loadTokenizerJson()", () => {
  it("encodes WordPiece by the longest piece first, and decodes with its joins", async () => {
    const tokenizer = await loadTokenizerJson(wordPiece);
    expect([...tokenizer.encode("Playing a plays")]).toEqual([2, 3, 5, 2, 4]);
    expect(tokenizer.decode([2, 3, 5, 2, 4])).toBe("playing a plays");
    expect(tokenizer.decode([1, 2], { special: "skip" })).toBe("play");
    expect(tokenizer.decode([1, 2])).toBe("[CLS]play");
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.explain()).toMatchObject({ encoder: "delegated", split: "none" });
    expect(tokenizer.explain().reason).toBe(
      '@huggingface/tokenizers encodes, because model "WordPiece" is not supported; byte-level BPE and SentencePiece BPE vocabularies are',
    );
  });

  it("makes control tokens only where asked", async () => {
    const tokenizer = await loadTokenizerJson(wordPiece);
    expect([...tokenizer.encode("[CLS]a")]).not.toContain(1);
    expect([...tokenizer.encode("[CLS]a", { special: true })]).toEqual([1, 5]);
  });

  it("encodes Unigram by the best score", async () => {
    const tokenizer = await loadTokenizerJson(unigram);
    expect([...tokenizer.encode("ab a")]).toEqual([5, 2]);
    expect(tokenizer.decode([5, 2])).toBe("ab a");
    expect(tokenizer.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it("keeps what it can encode itself", async () => {
    const json = toTokenizerJson(smallTokenizer(["h e"]));
    expect((await loadTokenizerJson(json)).explain()).toEqual({
      encoder: "linear",
      reason:
        "every token is made of two tokens that are made before it, so neighbors alone tell an encoding",
      split: "scanner",
      deadIds: [],
      missingBytes: [],
    });
    const odd = smallTokenizer(["ab c", "a b"]).explain();
    expect(odd.reason).toBe(
      "merge 1 comes after one that needs the token it makes, 257, so neighbors alone do not tell an encoding",
    );
  });

  it("is the only file that loads the other library, and not before it is wanted", () => {
    const folder = new URL("../src/", import.meta.url);
    const names = readdirSync(folder).filter((name) => name.endsWith(".ts"));
    const importers = names.filter((name) =>
      /(from|import\() ?"@huggingface\/tokenizers"/.test(
        readFileSync(new URL(name, folder), "utf8"),
      ),
    );
    expect(importers).toEqual(["delegated.ts"]);
    const source = readFileSync(new URL("delegated.ts", folder), "utf8");
    expect(source).toContain('await import("@huggingface/tokenizers")');
    expect(source).not.toContain('from "@huggingface/tokenizers"');
  });

  it("says why where nobody can use the file", async () => {
    const strange = { ...wordPiece, model: { ...wordPiece.model, type: "Strange" } };
    await expect(loadTokenizerJson(strange)).rejects.toThrow(
      'tokenizerFromJson: model "Strange" is not supported',
    );
  });
});
