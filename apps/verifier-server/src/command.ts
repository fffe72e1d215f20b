import { serverCommand } from "@veridraft/draft-server";
import type { Command } from "commander";
import { verifierServerConfig, verifierServerPrefix } from "./config.ts";
import { serveVerifier } from "./serve.ts";

/** The verifier server as a command. */
export function verifierServerCommand(): Command {
  return serverCommand({
    name: "verifier",
    description: "Generates text over gRPC, drafted by a draft server.",
    schema: verifierServerConfig,
    prefix: verifierServerPrefix,
    start: serveVerifier,
  });
}
