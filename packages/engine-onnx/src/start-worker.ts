import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Response } from "./protocol.ts";

/** A thread that loads ONNX Runtime and waits for its `WorkerOptions`. */
export interface Started {
  readonly worker: Worker;
  /** Its first message. */
  readonly greeting: Promise<Response>;
}

/** Starts the session's thread. */
export function startWorker(): Started {
  const worker = newWorker();
  const greeting = once(worker, "message").then(([message]) => message as Response);
  // Whoever waits for it is told, whoever does not any more need not be.
  greeting.catch(() => {});
  return { worker, greeting };
}

/**
 * In a checkout the worker is TypeScript, which Node 20 does not load as the entry of a thread: there a line of
 * JavaScript registers tsx first. A build or bundle has worker.js beside it.
 */
function newWorker(): Worker {
  const inSource = import.meta.url.endsWith(".ts");
  const file = new URL(inSource ? "./worker.ts" : "./worker.js", import.meta.url);
  if (!inSource) return new Worker(file);
  const tsx = import.meta.resolve("tsx/esm/api");
  const entry = `import { register } from "${tsx}"; register(); await import("${file}");`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(entry)}`), {
    execArgv: ["--conditions=@veridraft/source"],
  });
}
