import type { Command } from "commander";
import { draftServerConfig, draftServerPrefix } from "./config.ts";
import { serverCommand } from "./program.ts";
import { serveDraft } from "./serve.ts";

/** The draft server as a command. */
export function draftServerCommand(): Command {
  return serverCommand({
    name: "draft",
    description: "Proposes tokens for a verifier over gRPC.",
    schema: draftServerConfig,
    prefix: draftServerPrefix,
    start: serveDraft,
  });
}
