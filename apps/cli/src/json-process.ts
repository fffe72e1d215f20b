/** A program as a process of its own that answers each line of JSON with one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A program that runs. */
export interface JsonProcess {
  /** The line that it began with. */
  readonly greeting: Readonly<Record<string, unknown>>;
  /** @throws Error where the program answers with `{"error": …}` or has ended. */
  ask<Answer extends object>(request: object): Promise<Answer>;
  /** The answer, or why the program has none. @throws Error where it has ended. */
  askOrReason<Answer extends object>(request: object): Promise<Answer | { readonly error: string }>;
  /** Closes its input, which ends it. */
  stop(): Promise<void>;
}

/** Starts a program; resolves when it has said its first line. @param command That runs it, by default Node. */
export async function startJsonProcess(
  name: string,
  args: readonly string[],
  command = process.execPath,
): Promise<JsonProcess> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const kill = (): void => void child.kill();
  process.once("exit", kill);
  const exited = once(child, "exit").finally(() => process.off("exit", kill));
  const ended = exited.then(() => Promise.reject(new Error(`${name} has ended`)));
  ended.catch(() => {});
  const lines = createInterface({ input: child.stdout });
  const next = async <Answer>(): Promise<Answer | { readonly error: string }> => {
    const [line] = (await Promise.race([once(lines, "line"), ended])) as [string];
    return JSON.parse(line);
  };
  const answer = async <Answer extends object>(): Promise<Answer> => {
    const message = await next<Answer>();
    if ("error" in message) throw new Error(`${name}: ${message.error}`);
    return message;
  };
  const send = (request: object): void => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
  };
  return {
    greeting: await answer(),
    ask(request) {
      send(request);
      return answer();
    },
    askOrReason(request) {
      send(request);
      return next();
    },
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
