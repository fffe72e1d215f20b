/** Other implementations as processes, from tools/peers of a checkout. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type JsonProcess, startJsonProcess } from "./json-process.ts";

const folder = new URL("../../../tools/peers/", import.meta.url);

/** An implementation that npm installs, and the program of tools/peers that runs it. */
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

export const jaxJs: Peer = {
  name: "jax-js",
  package: "@jax-js/jax",
  program: "train-jax.mjs",
};

export const tensorflowJs: Peer = {
  name: "TensorFlow.js",
  package: "@tensorflow/tfjs-backend-wasm",
  program: "train-tfjs.mjs",
};

/** Why a peer cannot run here; null where it can. */
export function peerIsMissing({ name, package: installed }: Peer): string | null {
  if (existsSync(new URL(`node_modules/${installed}/`, folder))) return null;
  return existsSync(folder)
    ? `${name} is skipped: it is not installed, \`npm run peers\` installs it`
    : `${name} is skipped: it comes with a checkout of veridraft only`;
}

/** Path of a program of tools/peers. */
export function peerProgram(program: string): string {
  return fileURLToPath(new URL(program, folder));
}

/** Starts a peer on a model. @param flags More flags of its program. */
export function startPeer(
  { name, program }: Peer,
  model: string,
  threads: number,
  ...flags: string[]
): Promise<JsonProcess> {
  const args = [peerProgram(program), "--model", model, "--threads", `${threads}`, ...flags];
  return startJsonProcess(name, args);
}
