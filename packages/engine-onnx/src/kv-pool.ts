/** The memory of key and value rows, in stores that sequences share, up to a bound. */
import { Tensor } from "onnxruntime-node";
import type { ByteBudget } from "./byte-budget.ts";
import type { FloatType } from "./full-graph.ts";

/** The sizes of a cache row. */
export interface KvShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly kvType: FloatType;
  /** Most rows. */
  readonly contextLength: number;
}

/** Elements of keys and values; halves as their bits. */
export type KvArray = Float32Array | Uint16Array;

/** Bytes of that many rows. */
export function bytesOfRows({ layers, kvHeads, headDim, kvType }: KvShape, rows: number): number {
  return 2 * layers * kvHeads * rows * headDim * (kvType === "float16" ? 2 : 4);
}

/** A tensor over keys or values. */
export function kvTensor({ kvHeads, headDim, kvType }: KvShape, data: KvArray): Tensor {
  return new Tensor(kvType, data, [1, kvHeads, data.length / kvHeads / headDim, headDim]);
}

/** An array for rows of keys or values. */
export function kvArray({ kvHeads, headDim, kvType }: KvShape, rows: number): KvArray {
  return new (kvType === "float16" ? Uint16Array : Float32Array)(kvHeads * rows * headDim);
}

/** Rows that one or more sequences share. */
export interface Store {
  readonly capacity: number;
  /** [2 * layers] keys and values by layer, each [kvHeads, capacity, headDim]. */
  readonly arrays: readonly KvArray[];
  /** The same memory as the session's inputs. */
  readonly tensors: readonly Tensor[];
  /** Rows written so far by the sequence that is furthest. */
  written: number;
  owners: number;
}

/** Gives out stores. */
export class KvPool {
  readonly shape: KvShape;
  private readonly budget: ByteBudget;

  constructor(shape: KvShape, budget: ByteBudget) {
    this.shape = shape;
    this.budget = budget;
  }

  /** A store of at least `rows` rows. @throws ResourceExhaustedError where the budget leaves no room for it. */
  allocate(rows: number): Store {
    const { shape, budget } = this;
    const capacity = Math.min(roundUp(rows), roundUp(shape.contextLength));
    const bytes = bytesOfRows(shape, capacity);
    budget.makeRoom(bytes);
    budget.take(bytes);
    const arrays = Array.from({ length: 2 * shape.layers }, () => kvArray(shape, capacity));
    const tensors = arrays.map((data) => kvTensor(shape, data));
    return { capacity, arrays, tensors, written: 0, owners: 1 };
  }

  /** An owner lets go of a store. */
  release(store: Store): void {
    store.owners--;
    if (store.owners === 0) this.budget.give(bytesOfRows(this.shape, store.capacity));
  }
}

/** Capacities are multiples of 64 rows. */
function roundUp(rows: number): number {
  return Math.ceil(rows / 64) * 64;
}
