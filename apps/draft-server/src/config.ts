/** The settings of the draft server. */
import { devices, weightFormats } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { drafterNames } from "@veridraft/spec-decoding";
import { z } from "zod";
import { headSetting } from "./load-head.ts";
import { networkSettings } from "./start-service.ts";

/** Prefix of the environment variables. */
export const draftServerPrefix = "VERIDRAFT_DRAFT_";

/** Settings of `serveDraft`. */
export const draftServerConfig = z
  .strictObject({
    ...networkSettings(50_061, 64, 10_000),
    drafter: z
      .enum(drafterNames)
      .default("auto")
      .describe("Drafts for callers that do not choose."),
    model: z
      .string()
      .min(1)
      .default(smolLM2.path)
      .describe(
        "GGUF file, ONNX folder or graph of the target model; its tokenizer and context length are used.",
      ),
    draftModel: z
      .string()
      .min(1)
      .optional()
      .describe(
        "The same of a smaller model that drafts; of another tokenizer: the tokens that both have.",
      ),
    draftHead: headSetting,
    weights: z
      .enum(weightFormats)
      .optional()
      .describe("Format of the weights of a GGUF draft model; absent: int8, on a GPU f16."),
    device: z.enum(devices).default("cpu").describe("Where the draft model runs."),
    threads: z.int().min(1).max(1024).default(1).describe("Threads of the draft model."),
    spinning: z
      .boolean()
      .default(false)
      .describe("Let idle threads spin: faster, but slows any other model on the machine."),
    storeTokens: z
      .int()
      .min(2)
      .max(100_000_000)
      .default(262_144)
      .describe("Tokens of past generations that suffix drafts from, about 150 bytes each."),
  })
  .refine(({ drafter, draftModel }) => drafter !== "model" || draftModel !== undefined, {
    path: ["drafter"],
    message: "model needs draftModel",
  });
/** The settings, complete and checked. */
export type DraftServerConfig = z.output<typeof draftServerConfig>;
