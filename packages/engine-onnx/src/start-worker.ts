import { Worker } from "node:worker_threads";
import type { WorkerOptions } from "./protocol.ts";

/**
 * Starts the session's thread. In a checkout the worker is TypeScript, which Node 20 does not load as the entry of a thread: there a line of
 * JavaScript registers tsx first. A build or bundle has worker.js beside it.
 */
export function startWorker(options: WorkerOptions): Worker {
  const inSource = import.meta.url.endsWith(".ts");
  const file = new URL(inSource ? "./worker.ts" : "./worker.js", import.meta.url);
  if (!inSource) return new Worker(file, { workerData: options });
  const tsx = import.meta.resolve("tsx/esm/api");
  const entry = `import { register } from "${tsx}"; register(); await import("${file}");`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(entry)}`), {
    workerData: options,
    execArgv: ["--conditions=@veridraft/source"],
  });
}
