/** Runs graphs that give only new keys and values (see decoder.ts), for one sequence or several together. */
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { type Plane, planesOf } from "./cache-type.ts";
import type { DeltaGraph } from "./delta-graph.ts";
import type { KvCache } from "./kv-cache.ts";
import { type KvArray, kvTensor } from "./kv-pool.ts";
import { fewestRows, integers, type Part, type PartRows, type Runner } from "./runner.ts";
import { createSession, dataOf, type SessionOptions } from "./session.ts";

/** What a session needs to know of its model. */
type Sizes = Pick<
  DeltaGraph,
  "layers" | "kvHeads" | "headDim" | "cacheType" | "vocabSize" | "tapWidth"
>;

/** A session over a graph of some attention slots. */
export class DeltaRunner implements Runner<KvCache> {
  readonly slots: number;
  private readonly session: InferenceSession;
  private readonly sizes: Sizes;
  private readonly planes: readonly Plane[];
  /** By plane, for a slot of no sequence: a place for the row that stands there. */
  private readonly noRows: readonly Tensor[];

  private constructor(session: InferenceSession, slots: number, sizes: Sizes) {
    this.session = session;
    this.slots = slots;
    this.sizes = sizes;
    const { kvHeads, headDim, cacheType } = sizes;
    this.planes = planesOf(cacheType, headDim);
    this.noRows = this.planes.map((plane) => kvTensor(plane, kvHeads, 1));
  }

  /** Loads a graph. */
  static async load(
    path: string,
    slots: number,
    sizes: Sizes,
    options: SessionOptions,
  ): Promise<DeltaRunner> {
    return new DeltaRunner(await createSession(path, options), slots, sizes);
  }

  async run(parts: readonly Part<KvCache>[]): Promise<PartRows[]> {
    const rows = new Rows(parts, this.slots);
    const tapped = parts.some(({ taps }) => taps);
    // What is not fetched is not copied.
    const fetches = ["logits", ...this.planes.map(({ suffix }) => `new_kv${suffix}`)];
    const { logits, taps, ...rest } = await this.session.run(
      this.feeds(parts, rows),
      tapped ? [...fetches, "taps"] : fetches,
    );
    const { vocabSize, tapWidth, layers } = this.sizes;
    const fresh = this.planes.map(({ suffix }) =>
      split(dataOf(rest[`new_kv${suffix}`]) as KvArray, 2 * layers),
    );
    const kinds = Array.from({ length: 2 * layers }, (_, kind) =>
      fresh.map((plane) => plane[kind]),
    ).flat();
    let at = 0;
    return parts.map(({ cache, ids, past, wanted, taps: wantsTaps }, b) => {
      cache.write(kinds, rows.starts[b], ids.length, past);
      const from = at;
      at += wanted.length;
      return {
        logits: rowsOf(logits, from, at, vocabSize),
        taps: wantsTaps ? rowsOf(taps, from, at, tapWidth) : null,
      };
    });
  }

  /** Runs rows for whatever else the graph puts out. */
  async probe(part: Part<KvCache>): Promise<InferenceSession.OnnxValueMapType> {
    return this.session.run(this.feeds([part], new Rows([part], this.slots)));
  }

  /** Ends the session. */
  async release(): Promise<void> {
    await this.session.release();
  }

  private feeds(parts: readonly Part<KvCache>[], rows: Rows): Record<string, Tensor> {
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
    part: Part<KvCache> | undefined,
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
    for (let layer = 0; layer < this.sizes.layers; layer++) {
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
        // No neighbour fills the linear layers: the second row is a token like any other, at a position that a full context has, too.
        while (this.ids.length < fewest) {
          own.push(this.ids.length);
          this.ids.push(ids[ids.length - 1]);
          this.positions.push(past + ids.length - 1);
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

/** Rows [from, to) of a tensor. The usual case, a run of one, needs no copy. */
function rowsOf(tensor: Tensor, from: number, to: number, width: number): Float32Array {
  const data = dataOf(tensor) as Float32Array;
  const [start, end] = [from * width, to * width];
  return end - start === data.length ? data : data.slice(start, end);
}

/** Views of equal parts. */
function split(values: KvArray, parts: number): KvArray[] {
  const size = values.length / parts;
  return Array.from({ length: parts }, (_, i) => values.subarray(i * size, (i + 1) * size));
}
