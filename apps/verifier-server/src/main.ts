/** The process: reads the settings, serves, and stops on SIGTERM or SIGINT. */
import { addOptions, loadConfig } from "@veridraft/draft-server";
import { Command } from "commander";
import { verifierServerConfig, verifierServerPrefix } from "./config.ts";
import { serveVerifier } from "./serve.ts";

const command = addOptions(new Command("veridraft-verifier-server"), verifierServerConfig)
  .description("Generates text over gRPC, drafted by a draft server.")
  .option("--config <file>", "JSON file with any of these settings.")
  .addHelpText(
    "after",
    `\nEvery setting can be an environment variable: ${verifierServerPrefix}PORT.`,
  )
  .parse();
const { config: file, ...flags } = command.opts<Record<string, unknown> & { config?: string }>();

try {
  const env = { prefix: verifierServerPrefix, variables: process.env };
  const server = await serveVerifier(loadConfig(verifierServerConfig, { flags, env, file }), {
    log({ status, method, requestId, error }) {
      if (status === "INTERNAL") console.error(`${requestId} ${method}:`, error);
    },
    warn: (message) => console.error(message),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void server.stop().then(() => process.exit(0)));
  }
  console.log(`verifier server on ${server.address}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
