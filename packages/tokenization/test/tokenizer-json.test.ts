import { Tokenizer as Reference } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import {
  tokenizerFromGguf,
  tokenizerFromJson,
  type TokenizerJson,
  toTokenizerJson,
} from "@veridraft/tokenization";
import { bytePieces, smallTokenizer } from "./vocabularies.ts";

const merges = ["h e", "l l", "he ll", "Ġ hell", "Ġ w"];
const tokenizer = smallTokenizer(merges, ["<|end|>"]);
const json = toTokenizerJson(tokenizer);
const load = (changes: Partial<TokenizerJson>) => () => tokenizerFromJson({ ...json, ...changes });
const model = (changes: object) => load({ model: { ...json.model, ...changes } });

const metadata = (changes: Record<string, unknown> = {}): Map<string, unknown> =>
  new Map(
    Object.entries({
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "gpt-2",
      "tokenizer.ggml.tokens": [...bytePieces, "he", "[X]", "<|im_end|>", "</s>"],
      "tokenizer.ggml.token_type": [...bytePieces.map(() => 1), 1, 4, 3, 3],
      "tokenizer.ggml.merges": ["h e"],
      "tokenizer.ggml.eos_token_id": 259,
      ...changes,
    }),
  );
const fromMetadata = (changes: Record<string, unknown>) => () =>
  tokenizerFromGguf(metadata(changes));

const text = "hello we'll sell  12 shells, é 😀\n<|end|>";

describe("tokenizer.json", () => {
  it("goes out and comes back the same", () => {
    const config = { eos_token: { content: "<|end|>" }, bos_token: "h", add_bos_token: true };
    const back = tokenizerFromJson(JSON.parse(JSON.stringify(json)), config);
    expect(back.sha256).toBe(tokenizer.sha256);
    expect([...back.encode(text)]).toEqual([...tokenizer.encode(text)]);
    expect([back.eosId, back.bosId, back.addBos]).toEqual([261, 104, true]);
    expect([...back.endIds]).toEqual([261]);
  });

  it("is what Hugging Face tokenizers load", () => {
    const reference = new Reference(json, {});
    expect(reference.encode(text).ids).toEqual([...tokenizer.encode(text, { special: true })]);
  });

  it("reads merges as pairs, BOS from the post-processor, and user-defined tokens", () => {
    const read = tokenizerFromJson(
      {
        ...json,
        added_tokens: [...(json.added_tokens ?? []), { id: 262, content: "[X]", special: false }],
        post_processor: {
          type: "Sequence",
          processors: [
            { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<|end|>" } }] },
          ],
        },
        model: {
          ...json.model,
          merges: merges.map((merge) => merge.split(" ") as [string, string]),
        },
      },
      { bos_token: "<|end|>" },
    );
    expect(read.addBos).toBe(true);
    expect([...read.encode("[X]")]).toEqual([262]);
    expect([...read.encode("hell")]).toEqual([...tokenizer.encode("hell")]);
  });

  it("names what it cannot read", () => {
    const refusal = "is not supported; byte-level BPE and SentencePiece BPE vocabularies are";
    expect(model({ type: "Unigram" })).toThrow(`tokenizerFromJson: model "Unigram" ${refusal}`);
    expect(model({ end_of_word_suffix: "</w>" })).toThrow("end_of_word_suffix");
    expect(load({ normalizer: { type: "Lowercase" } })).toThrow(
      `normalizer "Lowercase" ${refusal}`,
    );
    expect(load({ decoder: { type: "WordPiece" } })).toThrow(`decoder "WordPiece" ${refusal}`);
    expect(load({ pre_tokenizer: null })).toThrow("a missing pre_tokenizer");
    expect(load({ pre_tokenizer: { type: "BertPreTokenizer" } })).toThrow(
      '"BertPreTokenizer" is not supported',
    );
    const strips = { id: 262, content: "<mask>", special: true, lstrip: true };
    expect(load({ added_tokens: [strips] })).toThrow(
      'added token "<mask>" uses lstrip, rstrip or single_word',
    );
    expect(load({ added_tokens: [{ id: 3, content: "<x>", special: true }] })).toThrow(
      'tokenizerFromJson: id 3 is both "ă" and "<x>"',
    );
    expect(() => tokenizerFromJson(json, { eos_token: "</s>" })).toThrow(
      '"</s>" is not in the vocabulary',
    );
  });
});

describe("tokenizerFromGguf()", () => {
  it("reads pieces, kinds and ends", () => {
    const read = tokenizerFromGguf(metadata());
    expect([...read.encode("he[X]<|im_end|>", { special: true })]).toEqual([256, 257, 258]);
    expect([...read.endIds].toSorted((a, b) => a - b)).toEqual([258, 259]);
    expect([read.eosId, read.bosId, read.addBos]).toEqual([259, undefined, false]);
    expect(read.vocabulary).toMatchObject({ preTokenizer: { json: { type: "ByteLevel" } } });
  });

  it("says what is wrong with the file", () => {
    expect(fromMetadata({ "tokenizer.ggml.model": "bert" })).toThrow(
      'tokenizerFromGguf: tokenizer.ggml.model "bert" is not supported; byte-level BPE ("gpt2") and SentencePiece ("llama") are',
    );
    expect(fromMetadata({ "tokenizer.ggml.pre": "bloom" })).toThrow(
      'tokenizer.ggml.pre "bloom" is not supported',
    );
    expect(fromMetadata({ "tokenizer.ggml.merges": [1] })).toThrow(
      "tokenizer.ggml.merges must be an array of strings",
    );
    expect(fromMetadata({ "tokenizer.ggml.token_type": [1] })).toThrow(
      "must hold 260 numbers, one a token",
    );
    expect(fromMetadata({ "tokenizer.ggml.eos_token_id": 260 })).toThrow(
      "tokenizerFromGguf: tokenizer.ggml.eos_token_id must be in [0, 260), got 260",
    );
  });
});
