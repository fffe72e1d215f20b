import { readSpeculativeConfig, speculationConfig } from "@veridraft/spec-decoding";
import { describe, expect, it } from "vitest";

describe("readSpeculativeConfig()", () => {
  it("reads what vLLM's documentation shows", () => {
    expect(
      readSpeculativeConfig({ method: "ngram", num_speculative_tokens: 5, prompt_lookup_max: 4 }),
    ).toEqual({
      settings: { drafter: "prompt-lookup", numSpeculativeTokens: 5 },
      promptLookup: { ngram: { min: 1, max: 4 } },
      suffixDecoding: {},
    });
    expect(
      readSpeculativeConfig({
        method: "suffix",
        num_speculative_tokens: 32,
        suffix_decoding_max_spec_factor: 2,
        suffix_decoding_min_token_prob: 0.2,
      }),
    ).toMatchObject({
      settings: { drafter: "suffix-decoding", numSpeculativeTokens: 32 },
      suffixDecoding: { maxSpecFactor: 2, minTokenProb: 0.2 },
    });
    expect(
      readSpeculativeConfig({
        method: "draft_model",
        model: "small.gguf",
        draft_sample_method: "probabilistic",
        rejection_sample_method: "block",
      }),
    ).toMatchObject({
      settings: { drafter: "model", coupling: "optimal", verification: "block" },
      draftModel: "small.gguf",
    });
  });

  it("gives settings that the schema takes", () => {
    const { settings } = readSpeculativeConfig({ method: "ngram", num_speculative_tokens: 3 });
    expect(speculationConfig.parse(settings)).toMatchObject({
      drafter: "prompt-lookup",
      numSpeculativeTokens: 3,
      coupling: "seeded",
      schedule: "auto",
    });
  });

  it.each([
    [{ method: "eagle3" }, "speculative_config: method: "],
    [{ method: "draft_model" }, "speculative_config: method draft_model needs model"],
    [{ method: "ngram", disable_by_batch_size: 4 }, 'Unrecognized key: "disable_by_batch_size"'],
    [{ method: "ngram", num_speculative_tokens: 65 }, "num_speculative_tokens: "],
    ["ngram", "speculative_config: "],
  ])("refuses %j in a sentence", (value, message) => {
    expect(() => readSpeculativeConfig(value)).toThrow(message);
  });
});
