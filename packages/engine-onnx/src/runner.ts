/** Runs rows of one sequence, or of several together, and hands each its logits and its new keys and values. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { type Plane, planesOf } from "./cache-type.ts";
import type { KvCache } from "./kv-cache.ts";
import { type PlaneArray, planeTensor } from "./kv-pool.ts";
import type { WorkerOptions } from "./protocol.ts";

/** ONNX Runtime takes other kernels for a single row; with two or more a row's result does not depend on their number. */
const fewestRows = 2;

/** Rows of one sequence. */
export interface Part {
  readonly cache: KvCache;
  readonly ids: Int32Array;
  /** Null for a causal run; else parents of the nodes, -1 for a child of the last row before. */
  readonly parents: Int32Array | null;
  /** Rows before these. */
  readonly past: number;
  /** Rows of these whose logits are wanted. */
  readonly wanted: readonly number[];
  /** False runs a single row alone, for the control of the self-test. */
  readonly padded: boolean;
}

/** What a session needs to know of its model and machine. */
export type SessionOptions = Pick<
  WorkerOptions,
  "threads" | "spinning" | "affinity" | "layers" | "kvHeads" | "headDim" | "vocabSize" | "cacheType"
>;

/** A session over a graph of some attention slots. */
export class Runner {
  readonly slots: number;
  private readonly session: InferenceSession;
  private readonly options: SessionOptions;
  private readonly planes: readonly Plane[];
  /** By plane, for a slot of no sequence: a place for the row that stands there. */
  private readonly noRows: readonly Tensor[];

  private constructor(session: InferenceSession, slots: number, options: SessionOptions) {
    this.session = session;
    this.slots = slots;
    this.options = options;
    const { kvHeads, headDim, cacheType } = options;
    this.planes = planesOf(cacheType, headDim);
    this.noRows = this.planes.map((plane) => planeTensor(plane, kvHeads, 1));
  }

  /** Loads a graph. */
  static async load(path: string, slots: number, options: SessionOptions): Promise<Runner> {
    const { threads, spinning, affinity } = options;
    const session = await InferenceSession.create(path, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: "all",
      // Shapes change with every call.
      enableMemPattern: false,
      extra: {
        session: {
          intra_op: { allow_spinning: spinning ? "1" : "0" },
          // Without VNNI, products of 8-bit integers overflow 16 bits; this takes the kernel in which they do not.
          x64quantprecision: "1",
          ...(affinity !== undefined && { intra_op_thread_affinities: affinity }),
        },
      },
    });
    return new Runner(session, slots, options);
  }

  /**
   * Runs the rows of 1 to `slots` sequences and writes their keys and values after `past`.
   *
   * @returns For each part [wanted, vocab].
   */
  async run(parts: readonly Part[]): Promise<Float32Array[]> {
    const rows = new Rows(parts, this.slots);
    const { logits, ...rest } = await this.session.run(this.feeds(parts, rows));
    const fresh = this.planes.map(({ suffix }) => rest[`new_kv${suffix}`].data as PlaneArray);
    const stride = rows.ids.length;
    const { vocabSize } = this.options;
    let at = 0;
    const data = logits.data as Float32Array;
    return parts.map(({ cache, ids, past, wanted }, b) => {
      cache.write(fresh, stride, rows.starts[b], ids.length, past);
      const from = at;
      at += wanted.length * vocabSize;
      // The usual case, a run of one, needs no copy.
      return at - from === data.length ? data : data.slice(from, at);
    });
  }

  /** Runs rows for whatever else the graph puts out. */
  async probe(part: Part): Promise<InferenceSession.OnnxValueMapType> {
    return this.session.run(this.feeds([part], new Rows([part], this.slots)));
  }

  /** Ends the session. */
  async release(): Promise<void> {
    await this.session.release();
  }

  private feeds(parts: readonly Part[], rows: Rows): Record<string, Tensor> {
    const feeds: Record<string, Tensor> = {
      input_ids: integers(rows.ids, [1, rows.ids.length]),
      position_ids: integers(rows.positions, [1, rows.ids.length]),
      // A run for its keys and values alone still has one row of logits: the graph gathers at least one.
      logits_rows: integers(rows.wanted.length > 0 ? rows.wanted : [0]),
    };
    if (this.slots > 1) feeds.unpack = integers(rows.places);
    for (let b = 0; b < this.slots; b++) this.feedSlot(feeds, b, parts.at(b), rows.slots[b]);
    return feeds;
  }

  private feedSlot(
    feeds: Record<string, Tensor>,
    b: number,
    part: Part | undefined,
    rows: readonly number[],
  ): void {
    const size = rows.length;
    const past = part?.past ?? 0;
    const total = past + size;
    const bias = new Float32Array(size * total);
    if (part?.parents) maskTree(part.parents, past, total, bias);
    feeds[`seqlens_k.${b}`] = new Tensor("int32", Int32Array.of(total - 1), [1]);
    feeds[`total_len.${b}`] = new Tensor("int32", Int32Array.of(total), [1]);
    feeds[`attn_bias.${b}`] = new Tensor("float32", bias, [1, 1, size, total]);
    if (this.slots > 1) feeds[`rows.${b}`] = integers(rows, [1, size]);
    for (let layer = 0; layer < this.options.layers; layer++) {
      for (const [p, { suffix }] of this.planes.entries()) {
        const k = 2 * layer * this.planes.length + p;
        const v = k + this.planes.length;
        feeds[`past_k${layer}${suffix}.${b}`] = part?.cache.tensors[k] ?? this.noRows[p];
        feeds[`past_v${layer}${suffix}.${b}`] = part?.cache.tensors[v] ?? this.noRows[p];
      }
    }
  }
}

/** Where the rows of a run's parts stand. */
class Rows {
  readonly ids: number[] = [];
  readonly positions: number[] = [];
  readonly wanted: number[] = [];
  /** First row of each part. */
  readonly starts: number[] = [];
  /** Rows of each slot. A lone row stands there twice, as attention, too, has another kernel for one; an empty slot has some row to do. */
  readonly slots: number[][] = [];
  /** Of each row in the slots' rows, one slot after another. */
  readonly places: number[] = [];

  constructor(parts: readonly Part[], slots: number) {
    let place = 0;
    for (const { ids, parents, past, wanted, padded } of parts) {
      const start = this.ids.length;
      const depths = parents ? depthsOf(parents) : null;
      const own = Array.from(ids, (_, i) => start + i);
      this.starts.push(start);
      this.ids.push(...ids);
      this.positions.push(...own.map((_, i) => past + (depths?.[i] ?? i)));
      this.wanted.push(...wanted.map((i) => start + i));
      this.places.push(...own.map((_, i) => place + i));
      const fewest = padded ? fewestRows : 1;
      if (slots === 1) {
        // No neighbour fills the linear layers: the second row is a token like any other.
        while (this.ids.length < fewest) {
          own.push(this.ids.length);
          this.ids.push(ids[ids.length - 1]);
          this.positions.push(past + ids.length);
        }
      } else {
        while (own.length < fewest) own.push(own[own.length - 1]);
      }
      place += own.length;
      this.slots.push(own);
    }
    while (this.slots.length < slots) this.slots.push([0]);
  }
}

/** Depth of each node, 0 for a child of the last row before. */
function depthsOf(parents: Int32Array): Int32Array {
  const depths = new Int32Array(parents.length);
  parents.forEach((parent, i) => {
    depths[i] = parent < 0 ? 0 : depths[parent] + 1;
  });
  return depths;
}

/** Hides from each node all of the tree but its ancestors and itself. @param bias [nodes, total] */
function maskTree(parents: Int32Array, past: number, total: number, bias: Float32Array): void {
  for (let i = 0; i < parents.length; i++) {
    bias.fill(-Infinity, i * total + past, (i + 1) * total);
    for (let node = i; node >= 0; node = parents[node]) bias[i * total + past + node] = 0;
  }
}

function integers(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
  return new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}
