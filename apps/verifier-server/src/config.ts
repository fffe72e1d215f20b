/** The settings of the verifier server. */
import { weightFormats } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { z } from "zod";

/** Prefix of the environment variables. */
export const verifierServerPrefix = "VERIDRAFT_VERIFIER_";

/** Settings of `serveVerifier`. */
export const verifierServerConfig = z.strictObject({
  host: z.string().min(1).default("127.0.0.1").describe("Address, or unix:/path/of/socket."),
  port: z.int().min(0).max(65_535).default(50_062).describe("0 takes any free port."),
  insecure: z
    .boolean()
    .default(false)
    .describe("Allow plain text on an address that other machines can reach."),
  draftServer: z
    .string()
    .min(1)
    .optional()
    .describe("host:port of the draft server; absent: nothing is drafted."),
  model: z.string().min(1).default(smolLM2.path).describe("GGUF file of the target model."),
  weights: z.enum(weightFormats).default("int8").describe("Format of the weights."),
  threads: z.int().min(1).max(1024).optional().describe("Threads of the model; default all CPUs."),
  maxSessions: z.int().min(1).max(65_536).default(16).describe("Calls that run at once."),
  roundTimeoutMs: z
    .int()
    .min(1)
    .default(200)
    .describe("How long a round waits for its draft before it goes on without."),
  reflection: z.boolean().default(false).describe("Describe the contract to tools."),
  graceMs: z
    .int()
    .min(0)
    .default(30_000)
    .describe("How long running generations may go on when the server is stopped."),
});
export type VerifierServerConfig = z.output<typeof verifierServerConfig>;
