/** What `bench training` compares: our training and that of others, each as a process that answers the requests of tools/peers/train-jax.mjs. */
import { fileURLToPath } from "node:url";
import { type JsonProcess, startJsonProcess } from "./json-process.ts";
import { jaxJs, type Peer, peerIsMissing, peerProgram, tensorflowJs } from "./peer.ts";
import type { WorkloadName } from "./training-workloads.ts";

/** An engine that can be started. */
export interface TrainingEngine {
  readonly name: string;
  /** Where it has no choice of threads. */
  readonly threads?: readonly number[];
  /** @param file With parameters and batches of the workload. */
  start(workload: WorkloadName, file: string, threads: number): Promise<JsonProcess>;
}

/** Our engine, then the peers that are there; stderr says of the others why they are not. @param python With PyTorch. */
export function trainingEngines(python: string | undefined): TrainingEngine[] {
  return [
    ours(),
    ...(python === undefined ? skipped() : [pyTorch(python), pyTorch(python, "--compile")]),
    ...installed(jaxJs),
    // It has no threads in Node.
    ...installed(tensorflowJs, [1]),
  ];
}

function ours(): TrainingEngine {
  const name = "veridraft";
  const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const main = fileURLToPath(new URL(`./training-process.${suffix}`, import.meta.url));
  return {
    name,
    start(workload, _, threads) {
      const options = JSON.stringify({ workload, threads });
      return startJsonProcess(name, [...process.execArgv, main, options]);
    },
  };
}

function flags(file: string, threads: number): string[] {
  return ["--file", file, "--threads", `${threads}`];
}

function pyTorch(python: string, ...options: string[]): TrainingEngine {
  const name = ["PyTorch", ...options].join(" ");
  const main = peerProgram("train-torch.py");
  return {
    name,
    start: (_, file, threads) =>
      startJsonProcess(name, [main, ...flags(file, threads), ...options], python),
  };
}

function skipped(): [] {
  process.stderr.write(
    "PyTorch is skipped: --python names no Python of an environment in which `pip install torch` has run\n",
  );
  return [];
}

function installed(peer: Peer, threads?: readonly number[]): TrainingEngine[] {
  const { name, program } = peer;
  const missing = peerIsMissing(peer);
  if (missing !== null) {
    process.stderr.write(`${missing}\n`);
    return [];
  }
  const start: TrainingEngine["start"] = (_, file, count) =>
    startJsonProcess(name, [peerProgram(program), ...flags(file, count)]);
  return [{ name, threads, start }];
}
