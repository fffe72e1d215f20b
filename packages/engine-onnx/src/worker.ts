/**
 * The session's thread: `session.run` blocks the thread it is called on, so it has one of its own, and the caller's event loop never waits.
 * Forwards of several sequences take turns chunk by chunk, in order of arrival.
 */
import { parentPort, workerData } from "node:worker_threads";
import { isProbsError } from "@veridraft/core-probs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { KvCache } from "./kv-cache.ts";
import type { ForwardCall, Request, Response, WorkerOptions } from "./protocol.ts";

const options = workerData as WorkerOptions;
const port = parentPort as NonNullable<typeof parentPort>;

/** Rows of one run of a long prompt; between two runs a call can be aborted and others get their turn. */
const chunkRows = 256;
/** ONNX Runtime takes other kernels for a single row; with two or more a row's result does not depend on their number. */
const fewestRows = 2;

interface Entry {
  readonly cache: KvCache;
  /** [0] is 1 while the caller wants the running forward to end. */
  readonly abort: Int32Array;
}

/** Rows to run in one go. */
interface Batch {
  readonly ids: Int32Array;
  readonly parents: Int32Array | null;
  /** Rows before these. */
  readonly past: number;
  /** Rows of these whose logits are wanted. */
  readonly wanted: readonly number[];
  readonly padded: boolean;
}

const session = await InferenceSession.create(options.modelPath, {
  intraOpNumThreads: options.threads,
  interOpNumThreads: 1,
  graphOptimizationLevel: "all",
  // Shapes change with every call.
  enableMemPattern: false,
  extra: { session: { intra_op: { allow_spinning: options.spinning ? "1" : "0" } } },
});
const sequences = new Map<number, Entry>();
/** The end of the line of runs. */
let turn: Promise<unknown> = Promise.resolve();

function inTurn<T>(run: () => Promise<T>): Promise<T> {
  const result = turn.then(run);
  turn = result.catch(() => undefined);
  return result;
}

function reply(message: Response, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

async function forward({ call, sequence, ids, parents, rows, padded }: ForwardCall): Promise<void> {
  const { cache, abort } = sequences.get(sequence) as Entry;
  const base = cache.length;
  const total = ids.length;
  const all: Float32Array[] = [];
  // A tree is one run: its nodes see each other.
  const step = parents ? total : chunkRows;
  for (let done = 0; done < total; done += step) {
    const chunk = ids.subarray(done, Math.min(total, done + step));
    const last = done + chunk.length === total;
    const wanted = rows === "all" ? Array.from(chunk, (_, i) => i) : last ? [chunk.length - 1] : [];
    const logits = await inTurn(async () => {
      if (Atomics.load(abort, 0) === 1 || !sequences.has(sequence)) return null;
      return runBatch(cache, { ids: chunk, parents, past: base + done, wanted, padded });
    });
    if (logits === null) {
      reply({ op: "aborted", call });
      return;
    }
    all.push(logits);
  }
  const data = all.length === 1 ? all[0] : concatenate(all);
  reply({ op: "logits", call, data, rows: data.length / options.vocabSize }, [
    data.buffer as ArrayBuffer,
  ]);
}

/** Runs the rows, writes their keys and values after `past`, and returns the wanted logits. */
async function runBatch(cache: KvCache, batch: Batch): Promise<Float32Array> {
  const { ids, parents, past, wanted } = batch;
  const count = ids.length;
  const size = batch.padded ? Math.max(count, fewestRows) : count;
  const total = past + size;
  const inputIds = new BigInt64Array(size);
  const positions = new BigInt64Array(size);
  const bias = new Float32Array(size * total);
  for (let i = 0; i < size; i++) {
    inputIds[i] = BigInt(ids[Math.min(i, count - 1)]);
    positions[i] = BigInt(past + i);
  }
  if (parents) maskTree(parents, past, total, bias, positions);
  // A forward for its keys and values alone still has one row of logits: the graph gathers at least one.
  const rows = wanted.length > 0 ? wanted : [count - 1];
  const feeds: Record<string, Tensor> = {
    input_ids: new Tensor("int64", inputIds, [1, size]),
    position_ids: new Tensor("int64", positions, [1, size]),
    past_len: new Tensor("int64", BigInt64Array.of(BigInt(past)), [1]),
    past_end: new Tensor("int64", BigInt64Array.of(BigInt(total)), [1]),
    seqlens_k: new Tensor("int32", Int32Array.of(total - 1), [1]),
    total_len: new Tensor("int32", Int32Array.of(total), [1]),
    attn_bias: new Tensor("float32", bias, [1, 1, size, total]),
    logits_rows: new Tensor("int64", BigInt64Array.from(rows, BigInt), [rows.length]),
  };
  const { tensors } = cache;
  for (let layer = 0; layer < options.layers; layer++) {
    feeds[`past_k${layer}`] = tensors[2 * layer];
    feeds[`past_v${layer}`] = tensors[2 * layer + 1];
  }
  const { logits, new_kv: fresh } = await session.run(feeds);
  cache.write(fresh.data as Float32Array, size, count, past);
  return wanted.length > 0 ? (logits.data as Float32Array) : new Float32Array(0);
}

/** Writes positions, and a bias that hides from each node all of the tree but its ancestors and itself. */
function maskTree(
  parents: Int32Array,
  past: number,
  total: number,
  bias: Float32Array,
  positions: BigInt64Array,
): void {
  for (let i = 0; i < parents.length; i++) {
    bias.fill(-Infinity, i * total + past, (i + 1) * total);
    let depth = 0;
    for (let node = i; node >= 0; node = parents[node]) {
      bias[i * total + past + node] = 0;
      depth++;
    }
    positions[i] = BigInt(past + depth - 1);
  }
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

port.on("message", (request: Request) => {
  if (request.op === "open") {
    sequences.set(request.sequence, { cache: new KvCache(options), abort: request.abort });
    return;
  }
  if (request.op === "forward") {
    forward(request).catch((error: unknown) => {
      const code = isProbsError(error) ? error.code : null;
      reply({ op: "failed", call: request.call, code, message: String((error as Error).message) });
    });
    return;
  }
  const { cache } = sequences.get(request.sequence) as Entry;
  switch (request.op) {
    case "keep":
      cache.length = request.length;
      break;
    case "path":
      cache.commitPath(request.nodes);
      break;
    case "fork":
      sequences.set(request.into, { cache: cache.fork(), abort: request.abort });
      break;
    case "close":
      cache.dispose();
      sequences.delete(request.sequence);
      break;
  }
});
reply({ op: "ready" });
