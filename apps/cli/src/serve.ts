import {
  addOptions,
  draftServerConfig,
  draftServerPrefix,
  loadConfig,
  serveDraft,
} from "@veridraft/draft-server";
import {
  serveVerifier,
  verifierServerConfig,
  verifierServerPrefix,
} from "@veridraft/verifier-server";
import { Command } from "commander";
import type { z } from "zod";

/** A server that runs. */
interface Running {
  readonly address: string;
  stop(): Promise<void>;
}

/** `veridraft serve draft|verifier`: one line when ready, then until SIGTERM or SIGINT. */
export function serveCommand(): Command {
  const command = new Command("serve").description("the servers, until SIGTERM");
  command.addCommand(
    server("draft", draftServerConfig, draftServerPrefix, (config) => serveDraft(config)),
  );
  command.addCommand(
    server("verifier", verifierServerConfig, verifierServerPrefix, (config) =>
      serveVerifier(config, { warn: (message) => process.stderr.write(`veridraft: ${message}\n`) }),
    ),
  );
  return command;
}

function server<S extends z.ZodObject>(
  name: string,
  schema: S,
  prefix: string,
  start: (config: z.output<S>) => Promise<Running>,
): Command {
  return addOptions(new Command(name), schema)
    .description(`the ${name} server`)
    .option("--config <file>", "JSON file with any of these settings")
    .action(async ({ config: file, ...flags }: { config?: string }) => {
      const env = { prefix, variables: process.env };
      const running = await start(loadConfig(schema, { flags, env, file }));
      const ended = new Promise<void>((resolve) => {
        for (const signal of ["SIGTERM", "SIGINT"] as const) {
          process.once(signal, () => void running.stop().then(resolve));
        }
      });
      process.stdout.write(`veridraft ${name} server on ${running.address}\n`);
      await ended;
    });
}
