/** What our programs share: commands that get their settings from a zod object, servers that run until a signal, and exit codes. */
import { isProbsError } from "@veridraft/core-probs";
import { Command, type CommanderError } from "commander";
import type { z } from "zod";
import { addOptions, loadConfig } from "./load-config.ts";
import type { RunningService, ServeOptions } from "./start-service.ts";

/**
 * Gives a command the options of a schema, and an action that gets the settings and then the command's arguments. Flags go before environment
 * variables (`<prefix><SETTING_NAME>`), these before the JSON file of `--config`.
 */
export function configure<S extends z.ZodObject>(
  command: Command,
  schema: S,
  prefix: string,
  action: (settings: z.output<S>, ...args: string[]) => Promise<void>,
): Command {
  return addOptions(command, schema)
    .option("--config <file>", "JSON file with any of these settings.")
    .action(() => {
      const { config: file, ...flags } = command.opts<{ config?: string }>();
      const env = { prefix, variables: process.env };
      return action(loadConfig(schema, { flags, env, file }), ...command.args);
    });
}

/** A server that can be a program. */
export interface ServerProgram<S extends z.ZodObject> {
  readonly name: string;
  readonly description: string;
  readonly schema: S;
  readonly prefix: string;
  start(config: z.output<S>, options: ServeOptions): Promise<RunningService>;
}

/** Tells on stderr what the operator of a server should know. */
const operator: ServeOptions = {
  log({ status, method, requestId, error }) {
    if (status === "INTERNAL") console.error(`${requestId} ${method}:`, error);
  },
  warn: (message) => console.error(`veridraft: ${message}`),
};

/** The command that runs a server: one line when it is ready, then until SIGTERM or SIGINT. A second signal ends it at once. */
export function serverCommand<S extends z.ZodObject>(server: ServerProgram<S>): Command {
  const { name, description, schema, prefix, start } = server;
  return configure(new Command(name), schema, prefix, async (config) => {
    const { address, stop } = await start(config, operator);
    const ended = new Promise<void>((resolve, reject) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) {
        process.once(signal, () => void stop().then(resolve, reject));
      }
    });
    process.stdout.write(`veridraft ${name} server on ${address}\n`);
    await ended;
  })
    .description(description)
    .addHelpText("after", `\nEvery setting can be an environment variable: ${prefix}PORT.`);
}

/**
 * Runs a program. Sets the exit code: 2 for a bad argument, 1 for any other error, of which one sentence goes to stderr.
 *
 * @param argv As `process.argv`.
 */
export async function runProgram(program: Command, argv = process.argv): Promise<void> {
  eachCommand(program, (command) => {
    command.exitOverride().configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "veridraft: ")),
    });
  });
  // Whoever reads our output may have seen enough of it, as `head` has.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (isCommanderError(error)) {
      // Help and version are no errors; commander has written the sentence already.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    process.stderr.write(`veridraft: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = isBadArgument(error) ? 2 : 1;
  }
}

function eachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) eachCommand(child, visit);
}

/** By its name, as a program may have another copy of commander than we do. */
function isCommanderError(error: unknown): error is CommanderError {
  return error instanceof Error && error.name === "CommanderError";
}

function isBadArgument(error: unknown): boolean {
  return (
    isProbsError(error) && (error.code === "INVALID_ARGUMENT" || error.code === "CONTEXT_LENGTH")
  );
}
