import { createRng } from "@veridraft/core-probs";
import {
  createVerifier,
  readSpeculativeConfig,
  speculationConfig,
  verifiers,
} from "@veridraft/spec-decoding";
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

describe("the verification lantern", () => {
  const neighbors = { size: 3, k: 2, ids: [1, 2, 0, 2, 1, 0] };

  it("is accepted with its table, which makes a lossy verifier", () => {
    const { verification, lantern } = speculationConfig.parse({
      verification: "lantern",
      lantern: { neighbors, delta: 0.2 },
    });
    const verifier = createVerifier(verification, lantern);
    expect(verifier).toMatchObject({ name: "lantern", lossless: false });
    // Neighbor 1 of token 0 lends its .15 within the bound of .2, neighbor 2 does not: accepted with .1 + .15.
    const tree = {
      tokens: Int32Array.of(0),
      parents: Int32Array.of(-1),
      laws: [null],
      confidences: Float32Array.of(1),
    };
    const law = { ids: null, probs: Float32Array.of(0.1, 0.15, 0.75) };
    let kept = 0;
    for (let seed = 0; seed < 4000; seed++) {
      const verdict = verifier?.verify(tree, () => law, 1, createRng(seed));
      kept += verdict?.path.length ?? 0;
    }
    // Standard deviation .007.
    expect(Math.abs(kept / 4000 - 0.25)).toBeLessThan(0.028);
  });

  it("is refused without one, in a sentence", () => {
    const sentence =
      "lantern needs the neighbor table of a codebook; give lantern, with neighbors and one of delta and lambda";
    const { error } = speculationConfig.safeParse({ verification: "lantern" });
    expect(error?.issues).toMatchObject([{ path: ["verification"], message: sentence }]);
    expect(() => createVerifier("lantern")).toThrow(`verification: ${sentence}`);
  });

  it.each([
    [{ ...neighbors, ids: [1, 2] }, "ids must be size x k codes below size"],
    [{ ...neighbors, ids: [1, 2, 0, 2, 1, 3] }, "ids must be size x k codes below size"],
    [{ ...neighbors, k: -1 }, "Too small: expected number to be >=0"],
  ])("refuses the table %j", (table, message) => {
    const { error } = speculationConfig.safeParse({ lantern: { neighbors: table, delta: 0.1 } });
    expect(error?.issues[0]).toMatchObject({ message });
  });

  it("refuses both of delta and lambda, or neither", () => {
    for (const bounds of [{}, { delta: 0.1, lambda: 2 }]) {
      const { lantern } = speculationConfig.parse({ lantern: { neighbors, ...bounds } });
      expect(() => createVerifier("lantern", lantern)).toThrow(
        "createLantern: give one of delta and lambda",
      );
    }
  });

  it("leaves other names as they are", () => {
    expect(createVerifier(undefined)).toBeUndefined();
    expect(createVerifier("block")).toBe(verifiers.block);
  });
});
