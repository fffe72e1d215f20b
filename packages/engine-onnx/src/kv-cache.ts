/**
 * The key and value rows of a sequence, and the tokens they are of.
 *
 * Sequences that were forked share a store. A store knows how far it is written; the first sequence to grow from there writes in place, any other
 * one takes a copy first, so that nobody's rows change under it.
 */
import type { Tensor } from "onnxruntime-node";
import { type KvArray, type KvPool, kvTensors, type Store } from "./kv-pool.ts";
import type { FullCache } from "./sequence-cache.ts";
import { dataOf } from "./session.ts";

/** Rows by which a store grows at least. Attention copies a store whole: 100 rows to spare cost some 0.5 ms a forward, a growth once as much as one. */
const growth = 64;

/** The rows of one sequence, in the memory of the CPU. */
export class KvCache implements FullCache {
  /** Of the committed rows. */
  readonly tokens: number[];
  /** Whether every row is one of a causal run, so that another run with the same tokens gives the same row. */
  isCausal: boolean;
  private readonly pool: KvPool;
  private store: Store;

  private constructor(pool: KvPool, store: Store, tokens: number[], isCausal: boolean) {
    this.pool = pool;
    this.store = store;
    this.tokens = tokens;
    this.isCausal = isCausal;
  }

  /** An empty one; it takes no memory before its first forward. */
  static open(pool: KvPool): KvCache {
    return new KvCache(pool, pool.allocate(0), [], true);
  }

  /** Committed rows. */
  get length(): number {
    return this.tokens.length;
  }

  /** Bytes of the store, which others may share. */
  get bytes(): number {
    return this.store.arrays.reduce((sum, array) => sum + array.byteLength, 0);
  }

  /** The session's inputs, the planes of past_k0, past_v0, past_k1 and so on; rows past `length` are not to be read. */
  get tensors(): readonly Tensor[] {
    return this.store.tensors;
  }

  /**
   * Makes rows [from, to) writable, from >= length: in place where nobody else's rows stand there, else in a copy of the rows before.
   *
   * @throws ResourceExhaustedError as `KvPool.allocate`; the rows are as before then.
   */
  reserve(from: number, to: number): void {
    const { store, pool } = this;
    const free = store.owners === 1 || store.written <= this.length || from > this.length;
    // A lone row runs beside another one, which attention needs a place for, too.
    const rows = to + 1;
    if (rows > store.capacity || !free) {
      const wanted = free
        ? Math.max(rows, Math.floor(store.capacity * 1.125), from + growth)
        : rows + growth;
      const copy = pool.allocate(wanted);
      store.arrays.forEach((array, i) => {
        const width = this.width(i);
        for (let head = 0; head < pool.shape.kvHeads; head++) {
          const start = head * store.capacity * width;
          const kept = array.subarray(start, start + from * width);
          copy.arrays[i].set(kept, head * copy.capacity * width);
        }
      });
      pool.release(store);
      this.store = copy;
    }
    this.store.written = to;
  }

  /**
   * Writes rows at row `at`, which is reserved, as yet uncommitted.
   *
   * @param fresh As `tensors`, each [kvHeads, stride, width], of which rows [first, first + count) are written.
   */
  write(fresh: readonly KvArray[], first: number, count: number, at: number): void {
    const { kvHeads } = this.pool.shape;
    const { arrays, capacity } = this.store;
    arrays.forEach((array, i) => {
      const width = this.width(i);
      const stride = fresh[i].length / kvHeads;
      for (let head = 0; head < kvHeads; head++) {
        const from = head * stride + first * width;
        const rows = fresh[i].subarray(from, from + count * width);
        array.set(rows, (head * capacity + at) * width);
      }
    });
  }

  /** A copy of exactly the first `length` rows, as attention of plain operators reads all that it gets. */
  past(length: number): readonly Tensor[] {
    const { shape } = this.pool;
    const { arrays, capacity } = this.store;
    const copies = kvTensors(shape, length);
    arrays.forEach((array, i) => {
      const width = this.width(i);
      for (let head = 0; head < shape.kvHeads; head++) {
        const from = head * capacity * width;
        const rows = array.subarray(from, from + length * width);
        (copies[i].data as KvArray).set(rows, head * length * width);
      }
    });
    return copies;
  }

  keep(present: readonly Tensor[], at: number, count: number): void {
    const fresh = present.map((tensor) => bitsOf(dataOf(tensor)));
    this.write(fresh, at, count, at);
  }

  /** Commits written rows of these tokens. */
  commit(tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) this.tokens.push(tokens[i]);
  }

  /** Commits rows length + nodes[i] of a tree's tokens, moving them together. Nodes ascend. */
  commitPath(nodes: ArrayLike<number>, tokens: ArrayLike<number>): void {
    const { kvHeads } = this.pool.shape;
    const { arrays, capacity } = this.store;
    const { length } = this;
    for (let i = 0; i < nodes.length; i++) {
      this.tokens.push(tokens[nodes[i]]);
      if (nodes[i] === i) continue;
      arrays.forEach((array, a) => {
        const width = this.width(a);
        for (let head = 0; head < kvHeads; head++) {
          const from = (head * capacity + length + nodes[i]) * width;
          array.copyWithin((head * capacity + length + i) * width, from, from + width);
        }
      });
    }
    this.isCausal = false;
  }

  /** Forgets the rows after the first `length`. */
  truncate(length: number): void {
    this.tokens.length = length;
  }

  /** A second sequence over the first `length` rows. */
  fork(length = this.length): KvCache {
    this.store.owners++;
    return new KvCache(this.pool, this.store, this.tokens.slice(0, length), this.isCausal);
  }

  /** Lets go of the rows. */
  dispose(): void {
    this.pool.release(this.store);
  }

  /** Numbers of a row of one head in array i of a store. */
  private width(i: number): number {
    const { planes } = this.pool;
    return planes[i % planes.length].width;
  }
}

/** Halves as their bits: newer versions of Node have an array type for them. */
function bitsOf(data: Tensor["data"]): KvArray {
  if (data instanceof Float32Array) return data;
  const { buffer, byteOffset, length } = data as Uint16Array;
  return new Uint16Array(buffer, byteOffset, length);
}
