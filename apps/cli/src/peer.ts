/** node-llama-cpp as a process of its own, from tools/peers of a checkout. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const folder = new URL("../../../tools/peers/", import.meta.url);

/** Why the peer cannot run here; null where it can. */
export function peerIsMissing(): string | null {
  if (existsSync(new URL("node_modules/node-llama-cpp/", folder))) return null;
  return existsSync(folder)
    ? "node-llama-cpp is skipped: it is not installed, `npm run peers` installs it"
    : "node-llama-cpp is skipped: it comes with a checkout of veridraft only";
}

/** A peer that runs. */
export interface Peer {
  /** Of node-llama-cpp and of llama.cpp in it. */
  readonly version: string;
  /** Greedy decoding of at most `maxTokens` ids. */
  generate(promptIds: readonly number[], maxTokens: number): Promise<PeerAnswer>;
  stop(): Promise<void>;
}

interface PeerAnswer {
  readonly ids: readonly number[];
  /** Of the text after its first token. */
  readonly tokensPerSecond: number;
}

/** Starts node-llama-cpp on a GGUF file. @param lookup Whether it drafts by its prompt lookup. */
export async function startPeer(model: string, threads: number, lookup: boolean): Promise<Peer> {
  const main = fileURLToPath(new URL("bench-llama.mjs", folder));
  const flags = ["--model", model, "--threads", `${threads}`, ...(lookup ? ["--lookup"] : [])];
  const child = spawn(process.execPath, [main, ...flags], { stdio: ["pipe", "pipe", "inherit"] });
  process.once("exit", () => child.kill());
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const answer = async (): Promise<unknown> => {
    const ended = exited.then(() => Promise.reject(new Error("node-llama-cpp has ended")));
    const [line] = (await Promise.race([once(lines, "line"), ended])) as [string];
    const message = JSON.parse(line) as { error?: string };
    if (message.error !== undefined) throw new Error(`node-llama-cpp: ${message.error}`);
    return message;
  };
  const { version, llamaCpp } = (await answer()) as { version: string; llamaCpp: string };
  return {
    version: `node-llama-cpp ${version} (llama.cpp ${llamaCpp})`,
    async generate(promptIds, maxTokens) {
      child.stdin.write(`${JSON.stringify({ promptIds, maxTokens })}\n`);
      return (await answer()) as PeerAnswer;
    },
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
