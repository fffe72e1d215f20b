/** Encodes many texts on threads that share one copy of the tables. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import { saveTables } from "./tables.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Ids of many texts: those of text i are `ids.subarray(starts[i], starts[i + 1])`. Both buffers can be transferred. */
export interface EncodedBatch {
  readonly ids: Int32Array;
  readonly starts: Int32Array;
}

/** Threads that encode. */
export interface EncodePool {
  /** Ids of `texts`, in their order, as `tokenizer.encode` gives them. Calls run one after another. */
  encode(texts: readonly string[]): Promise<EncodedBatch>;
  /** Ends the threads; calls that are not done reject. */
  dispose(): Promise<void>;
}

/** A thread gets at least this many UTF-16 units, since it costs time to hand texts over. */
const leastWork = 100_000;

/**
 * Starts `threads` threads for a tokenizer.
 *
 * @throws InvalidArgumentError where `threads` is not an integer >= 1.
 * @throws UnsupportedError for tokenizers without tables, as `saveTables`.
 * @example
 * const pool = createEncodePool(tokenizer, 4);
 * const { ids, starts } = await pool.encode(texts);
 * await pool.dispose();
 */
export function createEncodePool(tokenizer: Tokenizer, threads: number): EncodePool {
  if (!(Number.isInteger(threads) && threads >= 1)) {
    throw new InvalidArgumentError(
      `createEncodePool: threads must be an integer >= 1, got ${threads}`,
    );
  }
  const saved = saveTables(tokenizer);
  const tables = new Uint8Array(new SharedArrayBuffer(saved.length));
  tables.set(saved);
  const workers = Array.from({ length: threads }, () => startWorker(tables));
  let last: Promise<unknown> = Promise.resolve();
  let disposed = false;

  async function run(texts: readonly string[]): Promise<EncodedBatch> {
    if (disposed) throw disposedError();
    const parts = await Promise.all(
      cut(texts, threads).map(async (part, i) => {
        workers[i].postMessage(part);
        const [encoded] = await Promise.race([
          once(workers[i], "message"),
          once(workers[i], "exit").then(() => {
            throw disposedError();
          }),
        ]);
        return encoded as EncodedBatch;
      }),
    );
    return join(parts);
  }

  return {
    encode(texts) {
      const result = last.then(() => run(texts));
      last = result.catch(() => {});
      return result;
    },
    async dispose() {
      disposed = true;
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function disposedError(): InvalidArgumentError {
  return new InvalidArgumentError("EncodePool.encode: the pool is disposed of");
}

/** Cuts texts into at most `parts` parts of about equal length, in order. */
function cut(texts: readonly string[], parts: number): string[][] {
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  const share = Math.max(leastWork, total / parts);
  const shares: string[][] = [[]];
  let length = 0;
  for (const text of texts) {
    if (length >= share * shares.length) shares.push([]);
    shares[shares.length - 1].push(text);
    length += text.length;
  }
  return shares;
}

function join(parts: readonly EncodedBatch[]): EncodedBatch {
  const used = (part: EncodedBatch): number => part.starts[part.starts.length - 1];
  const ids = new Int32Array(parts.reduce((sum, part) => sum + used(part), 0));
  const starts = new Int32Array(1 + parts.reduce((sum, part) => sum + part.starts.length - 1, 0));
  let [at, text] = [0, 0];
  for (const part of parts) {
    ids.set(part.ids.subarray(0, used(part)), at);
    for (let i = 1; i < part.starts.length; i++) starts[++text] = at + part.starts[i];
    at += used(part);
  }
  return { ids, starts };
}

/** In a checkout the worker is TypeScript, which Node 20 does not load as the entry of a thread: there a line of JavaScript registers tsx first. */
function startWorker(tables: Uint8Array): Worker {
  const inSource = import.meta.url.endsWith(".ts");
  const file = new URL(inSource ? "./encode-worker.ts" : "./encode-worker.js", import.meta.url);
  if (!inSource) return new Worker(file, { workerData: tables });
  const tsx = import.meta.resolve("tsx/esm/api");
  const entry = `import { register } from "${tsx}"; register(); await import("${file}");`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(entry)}`), {
    workerData: tables,
    execArgv: ["--conditions=@veridraft/source"],
  });
}
