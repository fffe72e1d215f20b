/** The memory of key and value rows, in stores that sequences share, up to a bound. */
import { Tensor } from "onnxruntime-node";
import type { ByteBudget } from "./byte-budget.ts";
import { type CacheType, type Plane, planesOf } from "./cache-type.ts";

/** The sizes of a cache row. */
export interface KvShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly cacheType: CacheType;
  /** Most rows. */
  readonly contextLength: number;
}

/** Numbers of a plane; halves as their bits. */
export type KvArray = Float32Array | Uint16Array | Int8Array;

const arrayTypes = { float32: Float32Array, float16: Uint16Array, int8: Int8Array } as const;

/** Bytes of that many rows. */
export function bytesOfRows(shape: KvShape, rows: number): number {
  const { layers, kvHeads, cacheType, headDim } = shape;
  const bytes = planesOf(cacheType, headDim).map(
    ({ type, width }) => width * arrayTypes[type].BYTES_PER_ELEMENT,
  );
  return 2 * layers * kvHeads * rows * bytes.reduce((sum, each) => sum + each);
}

/** A plane of zeros [1, kvHeads, rows, width]. */
export function kvTensor({ type, width }: Plane, kvHeads: number, rows: number): Tensor {
  const data = new arrayTypes[type](kvHeads * rows * width);
  return new Tensor(type, data, [1, kvHeads, rows, width]);
}

/** Rows of zeros: the planes of keys and of values by layer. */
export function kvTensors(
  { layers, kvHeads, cacheType, headDim }: KvShape,
  rows: number,
): Tensor[] {
  const planes = planesOf(cacheType, headDim);
  return Array.from({ length: 2 * layers }, () =>
    planes.map((plane) => kvTensor(plane, kvHeads, rows)),
  ).flat();
}

/** Rows that one or more sequences share. */
export interface Store {
  readonly capacity: number;
  /** Planes of keys and of values by layer, each [kvHeads, capacity, width]. */
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
  readonly planes: readonly Plane[];
  private readonly budget: ByteBudget;

  constructor(shape: KvShape, budget: ByteBudget) {
    this.shape = shape;
    this.planes = planesOf(shape.cacheType, shape.headDim);
    this.budget = budget;
  }

  /** A store of at least `rows` rows. @throws ResourceExhaustedError where the budget leaves no room for it. */
  allocate(rows: number): Store {
    const { shape, budget } = this;
    const capacity = Math.min(roundUp(rows), roundUp(shape.contextLength + 1));
    const bytes = bytesOfRows(shape, capacity);
    budget.makeRoom(bytes);
    budget.take(bytes);
    const tensors = kvTensors(shape, capacity);
    const arrays = tensors.map(({ data }) => data as KvArray);
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
