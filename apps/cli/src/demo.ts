/** Two servers, three prompts: each answered with speculation and without, and what came of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type GenerateFlags, generateOptions } from "./options.ts";
import { generateRemote, withVerifier } from "./remote.ts";

const prompts = [
  "What is the capital of France, and what is it known for?",
  `Rewrite the following text and replace "fox" by "cat" everywhere:
The quick brown fox jumps over the lazy dog. The dog sleeps, and the fox runs into the forest. In the forest the fox meets another fox.`,
  "Write a Python function that returns the sum of all even numbers in a list.",
];
const maxTokens = 96;

/** A server in a process of its own. */
interface ServerProcess {
  readonly address: string;
  stop(): Promise<void>;
}

/** `veridraft demo`, which `npm start` runs. */
export async function demo(
  prompt: string | undefined,
  flags: Pick<GenerateFlags, "model" | "weights">,
): Promise<void> {
  const settings = generateOptions.parse({ ...flags, maxTokens });
  const servers: ServerProcess[] = [];
  const model = ["--model", flags.model];
  try {
    const draft = await startServer("draft", model);
    servers.push(draft);
    process.stdout.write(`draft server on ${draft.address}\n`);
    const weights = ["--weights", flags.weights, "--draft-server", draft.address];
    const verifier = await startServer("verifier", [...model, ...weights]);
    servers.push(verifier);
    process.stdout.write(`verifier server on ${verifier.address}\n`);
    for (const content of prompt === undefined ? prompts : [prompt]) {
      process.stdout.write(`\n> ${content}\n\n`);
      await compare(verifier.address, content, settings);
    }
  } finally {
    for (const server of servers.toReversed()) await server.stop();
  }
}

async function compare(address: string, content: string, flags: GenerateFlags): Promise<void> {
  const messages = [{ role: "user" as const, content }];
  const [drafted, plain] = await withVerifier(address, async (client) => [
    await generateRemote(client, messages, flags, 0, (text) => process.stdout.write(text)),
    await generateRemote(client, messages, { ...flags, drafter: "none" }, 0, () => undefined),
  ]);
  const equal = drafted.ids.join() === plain.ids.join();
  const [speed, plainSpeed] = [drafted, plain].map(({ finished }) => finished.tokensPerSecond);
  const tau = drafted.finished.stats?.meanAcceptanceLength ?? 1;
  process.stdout.write(
    `\n\n${drafted.ids.length} tokens, ${speed.toFixed(1)} tokens/s; ` +
      `without speculation ${plainSpeed.toFixed(1)} tokens/s; ratio ${(speed / plainSpeed).toFixed(2)}; ` +
      `mean acceptance length ${tau.toFixed(2)}; ` +
      `text ${equal ? "equals" : "DIFFERS FROM"} plain greedy decoding\n`,
  );
  if (!equal) process.exitCode = 1;
}

/** Starts `veridraft serve` on a free port; resolves when it says that it is ready. */
async function startServer(kind: "draft" | "verifier", flags: string[]): Promise<ServerProcess> {
  const main = process.argv[1];
  const child = spawn(
    process.execPath,
    [...process.execArgv, main, "serve", kind, "--port", "0", ...flags],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const ready = once(lines, "line") as Promise<[string]>;
  const [line] = await Promise.race([
    ready,
    exited.then(() => Promise.reject(new Error(`the ${kind} server did not start`))),
  ]);
  return {
    address: line.slice(line.lastIndexOf(" ") + 1),
    stop: () => stop(child, exited),
  };
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill("SIGTERM");
  await exited;
}
