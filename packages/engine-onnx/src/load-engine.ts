/** The runners of a graph and the kind of cache that they fill. */
import type { ByteBudget } from "./byte-budget.ts";
import { DeltaRunner } from "./delta-runner.ts";
import { DeviceCache } from "./device-cache.ts";
import { FullRunner } from "./full-runner.ts";
import { KvCache } from "./kv-cache.ts";
import { KvPool, type KvShape } from "./kv-pool.ts";
import { mostPromptRows } from "./prompt-rows.ts";
import type { WorkerOptions } from "./protocol.ts";
import type { Runner } from "./runner.ts";
import type { SequenceCache } from "./sequence-cache.ts";

/** What the session's thread works with. */
export interface Engine {
  /** For runs of a single sequence. */
  readonly solo: Runner;
  /** For runs of several; null runs one after another. */
  readonly batch: Runner | null;
  /** Most rows of a causal run. */
  readonly mostRows: number;
  /** An empty sequence. */
  open(): SequenceCache;
}

/** Starts the sessions. @throws UnsupportedError as `createSession`. */
export async function loadEngine(
  { graph, contextLength, session }: WorkerOptions,
  budget: ByteBudget,
): Promise<Engine> {
  const { layers, kvHeads, headDim } = graph;
  if (graph.layout === "delta") {
    const shape: KvShape = { layers, kvHeads, headDim, cacheType: graph.cacheType, contextLength };
    const pool = new KvPool(shape, budget);
    const { solo, batch, slots } = graph;
    return {
      solo: await DeltaRunner.load(solo, 1, graph, session),
      batch: batch === null ? null : await DeltaRunner.load(batch, slots, graph, session),
      mostRows: Infinity,
      open: () => KvCache.open(pool),
    };
  }
  const cacheType = graph.kvType === "float16" ? "f16" : "f32";
  const shape: KvShape = { layers, kvHeads, headDim, cacheType, contextLength };
  const pool = new KvPool(shape, budget);
  // Rejected rows cannot be taken out of tensors on a device; and onnxruntime-node keeps outputs only where the device is WebGPU's.
  const staysOnDevice = session.device === "webgpu" && graph.ignoresSpareRows;
  const solo = await FullRunner.load(graph, contextLength, session, staysOnDevice);
  if (!staysOnDevice) {
    return { solo, batch: null, mostRows: Infinity, open: () => KvCache.open(pool) };
  }
  const open = (): DeviceCache => DeviceCache.open(shape, budget);
  return { solo, batch: null, mostRows: await mostPromptRows(solo, open, contextLength), open };
}
