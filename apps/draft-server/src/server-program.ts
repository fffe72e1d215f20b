import { draftServerConfig, draftServerPrefix } from "./config.ts";
import type { ServerProgram } from "./program.ts";
import { serveDraft } from "./serve.ts";

/** The draft server as a program. */
export const draftServerProgram: ServerProgram<typeof draftServerConfig> = {
  name: "draft",
  description: "Proposes tokens for a verifier over gRPC.",
  schema: draftServerConfig,
  prefix: draftServerPrefix,
  start: serveDraft,
};
