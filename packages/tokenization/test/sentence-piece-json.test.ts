import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Tokenizer, tokenizerFromJson, type TokenizerJson } from "@veridraft/tokenization";

/** Written by fixtures/make-sentence-piece-json.py: ids of Hugging Face's tokenizers 0.23.3. */
const { json, variants } = JSON.parse(
  readFileSync(new URL("fixtures/sentence-piece.json", import.meta.url), "utf8"),
) as {
  readonly json: TokenizerJson;
  readonly variants: Readonly<Record<string, Partial<TokenizerJson> & { ids: number[][] }>>;
};
const { strings } = JSON.parse(
  readFileSync(new URL("fixtures/vocabularies.json", import.meta.url), "utf8"),
) as { readonly strings: readonly string[] };

describe.each(Object.entries(variants))("tokenizerFromJson() of %s", (_, { ids, ...parts }) => {
  const tokenizer = tokenizerFromJson({ ...json, ...parts }, { eos_token: "</s>" });

  it.each(strings.map((text, i) => [text, ids[i]] as const))(
    "encodes %j as recorded",
    (text, expected) => {
      expect([...tokenizer.encode(text, { special: true })]).toEqual(expected);
    },
  );
});

const load = (changes: Partial<TokenizerJson>) => (): Tokenizer =>
  tokenizerFromJson({ ...json, ...variants.llama, ...changes });
const model = (changes: object): (() => Tokenizer) =>
  load({ model: { ...json.model, ...changes } });

describe("a vocabulary with byte_fallback", () => {
  it("has the ends that other files name, and empty pieces up to the model's ids", () => {
    const context = { endIds: [3], vocabSize: 1000 };
    const tokenizer = tokenizerFromJson(
      { ...json, ...variants.llama },
      { eos_token: "</s>" },
      context,
    );
    expect([...tokenizer.endIds].toSorted((a, b) => a - b)).toEqual([2, 3]);
    expect([tokenizer.vocabSize, tokenizer.piece(999)]).toEqual([1000, ""]);
    expect(() => tokenizerFromJson({ ...json, ...variants.llama }, {}, { vocabSize: 5 })).toThrow(
      /^tokenizerFromJson: \d+ tokens are more than the 5 that the model knows$/,
    );
  });

  it("names what scores cannot say", () => {
    const rest =
      "is not supported in a vocabulary with byte_fallback; SentencePiece as converted from its model file is";
    const { merges } = json.model;
    const [first, ...others] = merges;
    expect(model({ merges: others })).toThrow(`"${[...first].join("")}" without the merge of`);
    expect(model({ merges: merges.toReversed() })).not.toThrow();
    const twice = merges.findIndex(
      (merge, i) => i > 0 && [...merge].join("") === [...merges[i - 1]].join(""),
    );
    expect(model({ merges: [merges[twice], ...merges.toSpliced(twice, 1)] })).toThrow(
      /merges to ".+" among those to ".+"/,
    );
    expect(load({ normalizer: { type: "NFKC" } })).toThrow(
      `tokenizerFromJson: normalizer "NFKC" ${rest}`,
    );
    expect(load({ normalizer: null })).toThrow('does not write spaces as "▁"');
    const metaspace = { type: "Metaspace", prepend_scheme: "always", split: false };
    expect(load({ normalizer: null, pre_tokenizer: metaspace })).toThrow(
      `Metaspace with split false and prepend_scheme always ${rest}`,
    );
  });
});
