/**
 * Key and value rows of sequences, in the layout the graph reads: per layer and kind one array [kvHeads, capacity, headDim].
 *
 * Sequences that were forked share a store. A store knows how far it is written; the first sequence to grow from there writes in place, any other
 * one takes a copy first, so that nobody's rows change under it.
 */
import { Tensor } from "onnxruntime-node";

/** The sizes of a cache row. */
export interface KvShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Most rows. */
  readonly contextLength: number;
}

/** Rows that one or more sequences share. */
interface Store {
  readonly capacity: number;
  /** [2 * layers] keys and values by layer. */
  readonly arrays: readonly Float32Array[];
  /** The same memory as the session's inputs. */
  readonly tensors: readonly Tensor[];
  /** Rows written so far by the sequence that is furthest. */
  written: number;
  owners: number;
}

const growth = 256;

/** The rows of one sequence. */
export class KvCache {
  /** Committed rows. */
  length: number;
  private store: Store;
  private readonly shape: KvShape;

  constructor(
    shape: KvShape,
    store: Store = createStore(shape, Math.min(growth, roundUp(shape.contextLength))),
    length = 0,
  ) {
    this.shape = shape;
    this.store = store;
    this.length = length;
  }

  /** The session's inputs, past_k0, past_v0, past_k1 and so on; rows past `length` are not to be read. */
  get tensors(): readonly Tensor[] {
    return this.store.tensors;
  }

  /** Writes `count` fresh rows [2 * layers, kvHeads, stride, headDim] at row `at` >= length, as yet uncommitted. */
  write(fresh: Float32Array, stride: number, count: number, at: number): void {
    this.reserve(at, at + count);
    const { headDim, kvHeads } = this.shape;
    const { arrays, capacity } = this.store;
    for (let kind = 0; kind < arrays.length; kind++) {
      for (let head = 0; head < kvHeads; head++) {
        const from = (kind * kvHeads + head) * stride * headDim;
        arrays[kind].set(
          fresh.subarray(from, from + count * headDim),
          (head * capacity + at) * headDim,
        );
      }
    }
    this.store.written = at + count;
  }

  /** Commits rows length + nodes[i], moving them together. Nodes ascend. */
  commitPath(nodes: ArrayLike<number>): void {
    const { headDim, kvHeads } = this.shape;
    const { arrays, capacity } = this.store;
    for (let i = 0; i < nodes.length; i++) {
      if (nodes[i] === i) continue;
      for (const array of arrays) {
        for (let head = 0; head < kvHeads; head++) {
          const from = (head * capacity + this.length + nodes[i]) * headDim;
          array.copyWithin((head * capacity + this.length + i) * headDim, from, from + headDim);
        }
      }
    }
    this.length += nodes.length;
  }

  /** A second sequence over the same rows. */
  fork(): KvCache {
    this.store.owners++;
    return new KvCache(this.shape, this.store, this.length);
  }

  /** Lets go of the rows. */
  dispose(): void {
    this.store.owners--;
  }

  /** Makes rows [from, to) writable: in place where nobody else's rows stand there, else in a copy. */
  private reserve(from: number, to: number): void {
    const { store, shape } = this;
    const free = store.owners === 1 || store.written <= this.length || from > this.length;
    if (to <= store.capacity && free) return;
    const wanted = free
      ? Math.max(to, Math.floor(store.capacity * 1.5), from + growth)
      : to + growth;
    const copy = createStore(shape, Math.min(roundUp(wanted), roundUp(shape.contextLength)));
    for (let kind = 0; kind < store.arrays.length; kind++) {
      for (let head = 0; head < shape.kvHeads; head++) {
        const start = head * store.capacity * shape.headDim;
        copy.arrays[kind].set(
          store.arrays[kind].subarray(start, start + from * shape.headDim),
          head * copy.capacity * shape.headDim,
        );
      }
    }
    store.owners--;
    this.store = copy;
  }
}

/** Capacities are multiples of 64 rows. */
function roundUp(rows: number): number {
  return Math.ceil(rows / 64) * 64;
}

function createStore({ layers, kvHeads, headDim }: KvShape, capacity: number): Store {
  const arrays = Array.from(
    { length: 2 * layers },
    () => new Float32Array(kvHeads * capacity * headDim),
  );
  const tensors = arrays.map(
    (data) => new Tensor("float32", data, [1, kvHeads, capacity, headDim]),
  );
  return { capacity, arrays, tensors, written: 0, owners: 1 };
}
