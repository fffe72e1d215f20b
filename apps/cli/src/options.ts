/** The settings of the commands that generate, each in one place: bounds, default and help text. */
import { readFileSync } from "node:fs";
import { defaultSampling, type Sampling } from "@veridraft/core-probs";
import { engineSettings, headSetting } from "@veridraft/draft-server";
import { smolLM2 } from "@veridraft/model-smollm2";
import {
  type LanternSettings,
  lanternSettings,
  readSpeculativeConfig,
  speculationConfig,
} from "@veridraft/spec-decoding";
import { z } from "zod";
import { modelPath } from "./model-folder.ts";

/** Prefix of the environment variables. */
export const prefix = "VERIDRAFT_";

export const modelOptions = z.strictObject({
  model: z
    .string()
    .min(1)
    .default(smolLM2.path)
    .transform((model) => modelPath(model))
    .describe("GGUF file, ONNX folder or graph, or name of the model."),
  ...engineSettings,
});

export const jsonOption = z
  .boolean()
  .default(false)
  .describe("Print one JSON object and nothing else.");

export const generateOptions = modelOptions.extend({
  maxTokens: z.int().min(1).default(256).describe("Most tokens of text."),
  temperature: z.number().min(0).default(defaultSampling.temperature).describe("0 is greedy."),
  topK: z.int().min(0).default(defaultSampling.topK).describe("0 keeps all tokens."),
  topP: z.number().gt(0).max(1).default(defaultSampling.topP).describe("Mass that is kept."),
  minP: z
    .number()
    .min(0)
    .lt(1)
    .default(defaultSampling.minP)
    .describe("Least share of the largest probability."),
  repetitionPenalty: z
    .number()
    .gt(0)
    .default(defaultSampling.repetitionPenalty)
    .describe("1 is none."),
  seed: z.int().min(0).optional().describe("Same seed, same text; drawn where absent."),
  stop: z
    .array(z.string().min(1))
    .default([])
    .describe("Text ends before this string; may be given again."),
  ...speculationConfig.shape,
  lantern: z
    .string()
    .min(1)
    .transform(readLantern)
    .optional()
    .describe(
      "JSON file with the settings of the verification lantern: neighbors, delta or lambda.",
    ),
  prediction: z
    .string()
    .min(1)
    .optional()
    .describe("File of a text that the answer may repeat; drafts first where it does."),
  learnPrompt: z
    .boolean()
    .default(false)
    .describe(
      "Let recycling learn from the prompt first: a second reading of it, and not always more drafts that are kept.",
    ),
  draftModel: z
    .string()
    .min(1)
    .transform((model) => modelPath(model))
    .optional()
    .describe("GGUF file or name of the draft model."),
  draftHead: headSetting,
  speculativeConfig: z
    .string()
    .transform(parseSpeculativeConfig)
    .optional()
    .describe("vLLM's speculative_config as JSON; goes before the flags that it speaks of."),
  raw: z.boolean().default(false).describe("Use no chat template: continue the text as it stands."),
  logprobs: z
    .int()
    .min(0)
    .max(64)
    .optional()
    .describe("Report log-probabilities and this many alternatives."),
  verifier: z
    .string()
    .min(1)
    .optional()
    .describe("host:port of a verifier server that generates instead of this process."),
  json: jsonOption,
});
export type GenerateFlags = z.output<typeof generateOptions>;

/** Reads the file that `--lantern` names. */
function readLantern(path: string, context: z.core.$RefinementCtx): LanternSettings {
  try {
    const read = lanternSettings.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    context.addIssue([...issue.path, issue.message].join(": "));
  } catch (error) {
    context.addIssue((error as Error).message);
  }
  return z.NEVER;
}

function parseSpeculativeConfig(text: string, context: z.core.$RefinementCtx) {
  try {
    return readSpeculativeConfig(JSON.parse(text));
  } catch (error) {
    context.addIssue((error as Error).message);
    return z.NEVER;
  }
}

/** The flags with what `--speculative-config` says in their place. */
export function spelledOut(flags: GenerateFlags): GenerateFlags {
  const { settings, draftModel } = flags.speculativeConfig ?? {};
  return { ...flags, ...settings, ...(draftModel && { draftModel: modelPath(draftModel) }) };
}

/** The fields of a sampling law that flags set. */
export function samplingOf(
  flags: Pick<GenerateFlags, "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty">,
): Partial<Sampling> {
  const { temperature, topK, topP, minP, repetitionPenalty } = flags;
  return { temperature, topK, topP, minP, repetitionPenalty };
}

/** How many alternatives to report beside each log-probability; undefined for no log-probabilities. */
export function alternatives({ logprobs, json }: GenerateFlags): number | undefined {
  return logprobs ?? (json ? 0 : undefined);
}
