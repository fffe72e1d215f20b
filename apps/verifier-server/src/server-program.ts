import type { ServerProgram } from "@veridraft/draft-server";
import { verifierServerConfig, verifierServerPrefix } from "./config.ts";
import { serveVerifier } from "./serve.ts";

/** The verifier server as a program. */
export const verifierServerProgram: ServerProgram<typeof verifierServerConfig> = {
  name: "verifier",
  description: "Generates text over gRPC, drafted by a draft server.",
  schema: verifierServerConfig,
  prefix: verifierServerPrefix,
  start: serveVerifier,
};
