/** The process: reads the settings, serves, and stops on SIGTERM or SIGINT. */
import { Command } from "commander";
import { draftServerConfig, draftServerPrefix } from "./config.ts";
import { addOptions, loadConfig } from "./load-config.ts";
import { serveDraft } from "./serve.ts";

const command = addOptions(new Command("veridraft-draft-server"), draftServerConfig)
  .description("Proposes tokens for a verifier over gRPC.")
  .option("--config <file>", "JSON file with any of these settings.")
  .addHelpText("after", `\nEvery setting can be an environment variable: ${draftServerPrefix}PORT.`)
  .parse();
const { config: file, ...flags } = command.opts<Record<string, unknown> & { config?: string }>();

try {
  const env = { prefix: draftServerPrefix, variables: process.env };
  const server = await serveDraft(
    loadConfig(draftServerConfig, { flags, env, file }),
    ({ status, method, requestId, error }) => {
      if (status === "INTERNAL") console.error(`${requestId} ${method}:`, error);
    },
  );
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void server.stop().then(() => process.exit(0)));
  }
  console.log(`draft server on ${server.address}, offers ${server.drafters.join(", ")}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
