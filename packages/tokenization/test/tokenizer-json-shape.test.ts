import { isProbsError } from "@veridraft/core-probs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tokenizerFromJson, type TokenizerJson, toTokenizerJson } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

const json = toTokenizerJson(smallTokenizer(["h e"], ["<|end|>"]));
const load = (changes: object) => () => tokenizerFromJson({ ...json, ...changes } as TokenizerJson);
const model = (changes: object) => load({ model: { ...json.model, ...changes } });

function caught(run: () => void): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("checkTokenizerJson()", () => {
  it("says where, what must be there and what is", () => {
    expect(() => tokenizerFromJson(null as never)).toThrow(
      "tokenizerFromJson: the file must be an object, got null",
    );
    expect(load({ model: [] })).toThrow("tokenizerFromJson: model must be an object, got []");
    expect(model({ vocab: { a: -1 } })).toThrow(
      'tokenizerFromJson: model.vocab["a"] must be an integer in [0, 16777216), got -1',
    );
    expect(model({ merges: ["a b", 3] })).toThrow(
      "tokenizerFromJson: model.merges[1] must be a text or two, got 3",
    );
    expect(model({ merges: undefined })).toThrow("model.merges must be a list, got nothing");
    expect(load({ added_tokens: [{ id: 0, content: "" }] })).toThrow(
      'added_tokens[0].content must be a text of one character or more, got ""',
    );
    expect(load({ pre_tokenizer: { type: "Sequence" } })).toThrow(
      "pre_tokenizer.normalizers|pretokenizers|processors|decoders must be a list, got nothing",
    );
    expect(load({ pre_tokenizer: { type: "Split", behavior: "Isolated", pattern: {} } })).toThrow(
      "pre_tokenizer.pattern.Regex|String must be a text, got nothing",
    );
  });

  it("turns any damaged file into one sentence", () => {
    const small = {
      ...json,
      added_tokens: json.added_tokens?.slice(0, 1),
      normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }] },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: "\\s+" }, behavior: "Isolated" },
          { type: "ByteLevel", add_prefix_space: false, use_regex: false },
        ],
      },
      post_processor: { type: "TemplateProcessing", single: [{ Sequence: { id: "A" } }] },
      model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] },
    };
    const places: (string | number)[][] = [];
    const walk = (value: unknown, path: (string | number)[]): void => {
      if (path.length > 0) places.push(path);
      if (typeof value !== "object" || value === null) return;
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
    };
    walk(small, []);
    let failures = 0;
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue({ maxDepth: 2 }), (path, junk) => {
        const copy = structuredClone(small) as unknown as Record<string | number, never>;
        let at = copy;
        for (const key of path.slice(0, -1)) at = at[key];
        at[path[path.length - 1]] = junk as never;
        const error = caught(() => tokenizerFromJson(copy as never));
        if (error !== undefined) failures++;
        const isSentence = isProbsError(error) && /^\w+: [^\n]+$/.test(error.message);
        expect(error === undefined || isSentence, `${path.join(".")}: ${String(error)}`).toBe(true);
      }),
      { numRuns: 3000, seed: 5 },
    );
    expect(failures).toBeGreaterThan(1000);
  });
});
