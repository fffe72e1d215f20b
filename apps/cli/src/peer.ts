/** Other implementations as processes, from tools/peers of a checkout. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type JsonProcess, startJsonProcess } from "./json-process.ts";

const folder = new URL("../../../tools/peers/", import.meta.url);

/** An implementation, and the program of tools/peers that runs it. */
export interface Peer {
  readonly name: string;
  readonly package: string;
  readonly program: string;
}

export const llamaCpp: Peer = {
  name: "node-llama-cpp",
  package: "node-llama-cpp",
  program: "bench-llama.mjs",
};

export const transformersJs: Peer = {
  name: "Transformers.js",
  package: "@huggingface/transformers",
  program: "bench-transformers.mjs",
};

/** Why a peer cannot run here; null where it can. */
export function peerIsMissing({ name, package: installed }: Peer): string | null {
  if (existsSync(new URL(`node_modules/${installed}/`, folder))) return null;
  return existsSync(folder)
    ? `${name} is skipped: it is not installed, \`npm run peers\` installs it`
    : `${name} is skipped: it comes with a checkout of veridraft only`;
}

/** Starts a peer on a model. @param flags More flags of its program. */
export function startPeer(
  { name, program }: Peer,
  model: string,
  threads: number,
  ...flags: string[]
): Promise<JsonProcess> {
  const main = fileURLToPath(new URL(program, folder));
  return startJsonProcess(name, [main, "--model", model, "--threads", `${threads}`, ...flags]);
}
