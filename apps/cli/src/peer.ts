/** node-llama-cpp, from tools/peers of a checkout. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type JsonProcess, startJsonProcess } from "./json-process.ts";

const folder = new URL("../../../tools/peers/", import.meta.url);

/** Why the peer cannot run here; null where it can. */
export function peerIsMissing(): string | null {
  if (existsSync(new URL("node_modules/node-llama-cpp/", folder))) return null;
  return existsSync(folder)
    ? "node-llama-cpp is skipped: it is not installed, `npm run peers` installs it"
    : "node-llama-cpp is skipped: it comes with a checkout of veridraft only";
}

/** Starts node-llama-cpp on a GGUF file. @param flags More flags of tools/peers/bench-llama.mjs. */
export function startPeer(
  model: string,
  threads: number,
  ...flags: string[]
): Promise<JsonProcess> {
  const main = fileURLToPath(new URL("bench-llama.mjs", folder));
  const args = [main, "--model", model, "--threads", `${threads}`, ...flags];
  return startJsonProcess("node-llama-cpp", args);
}
