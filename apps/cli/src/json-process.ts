/** A program as a process of its own that answers each line of JSON with one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A program that runs. */
export interface JsonProcess {
  /** The line that it began with. */
  readonly greeting: Readonly<Record<string, unknown>>;
  /** @throws Error where the program answers with `{"error": …}` or has ended. */
  ask<Answer>(request: object): Promise<Answer>;
  /** Closes its input, which ends it. */
  stop(): Promise<void>;
}

/** Starts a program; resolves when it has said its first line. @param args Of Node. */
export async function startJsonProcess(
  name: string,
  args: readonly string[],
): Promise<JsonProcess> {
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  process.once("exit", () => child.kill());
  const exited = once(child, "exit");
  const ended = exited.then(() => Promise.reject(new Error(`${name} has ended`)));
  ended.catch(() => {});
  const lines = createInterface({ input: child.stdout });
  const answer = async <Answer>(): Promise<Answer> => {
    const [line] = (await Promise.race([once(lines, "line"), ended])) as [string];
    const message = JSON.parse(line) as { error?: string };
    if (message.error !== undefined) throw new Error(`${name}: ${message.error}`);
    return message as Answer;
  };
  return {
    greeting: await answer(),
    ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return answer();
    },
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
