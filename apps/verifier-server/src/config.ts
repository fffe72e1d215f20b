/** The settings of the verifier server. */
import { engineSettings, networkSettings } from "@veridraft/draft-server";
import { smolLM2 } from "@veridraft/model-smollm2";
import { z } from "zod";
import { pipelinings } from "./pipelined-generation.ts";

/** Prefix of the environment variables. */
export const verifierServerPrefix = "VERIDRAFT_VERIFIER_";

/** Settings of `serveVerifier`. */
export const verifierServerConfig = z.strictObject({
  ...networkSettings(50_062, 16, 30_000),
  draftServer: z
    .string()
    .min(1)
    .optional()
    .describe("host:port of the draft server; absent: nothing is drafted."),
  model: z
    .string()
    .min(1)
    .default(smolLM2.path)
    .describe("GGUF file, ONNX folder or graph of the target model."),
  ...engineSettings,
  threads: z.int().min(1).max(1024).optional().describe("Threads of the model; default all CPUs."),
  streams: z
    .int()
    .min(1)
    .max(8)
    .default(8)
    .describe("Generations that run together; above 1 takes the memory of a second session."),
  maxCacheBytes: z
    .int()
    .min(2 ** 20)
    .default(2 ** 31)
    .describe("Most bytes of keys and values; a generation that needs more is refused."),
  prefixCacheBytes: z
    .int()
    .min(0)
    .default(2 ** 27)
    .describe("Most bytes of those kept for prompts that begin alike."),
  pipelining: z
    .enum(pipelinings)
    .default("none")
    .describe("Draft while verifying: with the next drafts under way, or with two verifications."),
  roundTimeoutMs: z
    .int()
    .min(1)
    .default(200)
    .describe("How long a round waits for its draft before it goes on without."),
});
export type VerifierServerConfig = z.output<typeof verifierServerConfig>;
