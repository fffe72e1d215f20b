/**
 * The settings of speculation in one schema, from which the flags of the CLI, the bounds of what comes over the wire and the table in the README are
 * made. Names as in transformers and vLLM where those agree; vLLM's `speculative_config` is read as an alias.
 */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { z } from "zod";
import { parseConfig } from "./config.ts";
import { scheduleConfig } from "./create-schedule.ts";
import { lanternSettings } from "./lantern.ts";
import { promptLookupConfig } from "./prompt-lookup.ts";
import { suffixDecodingConfig } from "./suffix-decoding.ts";
import { lanternNeedsTable, verifiers, type VerifierName } from "./verifiers.ts";

/**
 * How tokens can be drafted; `head` needs a draft head that was trained for the target, `model` a draft model. `auto`: `suffix`, and where the match is short the draft model
 * or the head, if there is one.
 */
export const drafterNames = [
  "auto",
  "suffix",
  "suffix-decoding",
  "prompt-lookup",
  "ngram-cache",
  "recycling",
  "combined",
  "head",
  "model",
] as const;
/** One of {@link drafterNames}. */
export type DrafterName = (typeof drafterNames)[number];

/** Most draft tokens a round that a caller may ask for. */
export const maxSpeculativeTokens = 64;

const verifierNames = Object.keys(verifiers) as [VerifierName, ...VerifierName[]];

/** The settings of speculation. */
export const speculationConfig = z
  .strictObject({
    drafter: z
      .enum(["none", ...drafterNames])
      .default("auto")
      .describe(
        "What proposes tokens; auto: suffix, and where fewer than 2 tokens match the draft model or the target's trained head.",
      ),
    numSpeculativeTokens: z
      .int()
      .min(1)
      .max(maxSpeculativeTokens)
      .optional()
      .describe("Draft tokens a round; chosen from measured costs where absent."),
    schedule: scheduleConfig.shape.schedule,
    maxTreeNodes: scheduleConfig.shape.maxTreeNodes,
    confidenceThreshold: scheduleConfig.shape.confidenceThreshold,
    coupling: z
      .enum(["seeded", "optimal"])
      .default("seeded")
      .describe("How drafts and target draws are tied together."),
    verification: z
      .enum([...verifierNames, "lantern"])
      .optional()
      .describe(
        "The verifier; absent: the lossless one that keeps most. typical, threshold and lantern change the law.",
      ),
    lantern: lanternSettings
      .optional()
      .describe("Of the verification lantern, for image tokens: neighbors, delta or lambda."),
  })
  .refine(({ verification, lantern }) => verification !== "lantern" || lantern !== undefined, {
    path: ["verification"],
    message: lanternNeedsTable,
  });
export type SpeculationConfig = z.output<typeof speculationConfig>;

/** Settings of look-ups, which not all drafters have. */
export interface LookupConfig {
  readonly promptLookup?: z.input<typeof promptLookupConfig>;
  readonly suffixDecoding?: z.input<typeof suffixDecodingConfig>;
}

/** vLLM's object, as far as it says what we have. */
const speculativeConfig = z.strictObject({
  method: z.enum(["ngram", "suffix", "draft_model"]),
  model: z.string().min(1).optional(),
  num_speculative_tokens: speculationConfig.shape.numSpeculativeTokens,
  prompt_lookup_min: z.int().min(1).optional(),
  prompt_lookup_max: z.int().min(1).optional(),
  suffix_decoding_max_spec_factor: suffixDecodingConfig.shape.maxSpecFactor.unwrap().optional(),
  suffix_decoding_min_token_prob: suffixDecodingConfig.shape.minTokenProb.unwrap().optional(),
  rejection_sample_method: z.enum(["standard", "block"]).optional(),
  draft_sample_method: z.enum(["greedy", "probabilistic"]).optional(),
});

const drafterOfMethod = {
  ngram: "prompt-lookup",
  suffix: "suffix-decoding",
  draft_model: "model",
} as const;

/** A `speculative_config` in our terms. */
export interface ReadSpeculativeConfig extends LookupConfig {
  readonly settings: Partial<SpeculationConfig>;
  /** Of the method `draft_model`. */
  readonly draftModel: string | undefined;
}

/**
 * Reads vLLM's `speculative_config`. Drafts that are drawn (`draft_sample_method` "probabilistic") or tested with a rejection method need the coupling
 * "optimal"; without both the coupling is left as it is.
 *
 * @throws InvalidArgumentError naming the key that is unknown, out of range, or missing for its method.
 * @example readSpeculativeConfig({ method: "ngram", num_speculative_tokens: 5, prompt_lookup_max: 4 })
 */
export function readSpeculativeConfig(value: unknown): ReadSpeculativeConfig {
  const read = parseConfig("speculative_config", speculativeConfig, value);
  if (read.method === "draft_model" && read.model === undefined) {
    throw new InvalidArgumentError("speculative_config: method draft_model needs model");
  }
  const { prompt_lookup_max: max, prompt_lookup_min: min = max && 1 } = read;
  const { rejection_sample_method: method, draft_sample_method: drawing } = read;
  return {
    settings: defined({
      drafter: drafterOfMethod[read.method],
      numSpeculativeTokens: read.num_speculative_tokens,
      coupling: method !== undefined || drawing === "probabilistic" ? "optimal" : undefined,
      verification: method,
    }),
    draftModel: read.model,
    ...(max !== undefined && { promptLookup: { ngram: { min, max } } }),
    suffixDecoding: defined({
      maxSpecFactor: read.suffix_decoding_max_spec_factor,
      minTokenProb: read.suffix_decoding_min_token_prob,
    }),
  };
}

/** Without the keys that are undefined. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
