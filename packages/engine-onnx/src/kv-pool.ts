/** The memory of key and value rows, in stores that sequences share, up to a bound. */
import { ResourceExhaustedError } from "@veridraft/core-probs";
import { Tensor } from "onnxruntime-node";
import { type CacheType, type Plane, planesOf } from "./cache-type.ts";

/** The sizes of a cache row. */
export interface KvShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Most rows. */
  readonly contextLength: number;
  readonly cacheType: CacheType;
}

/** Numbers of a plane; a Uint16Array holds halves. */
export type PlaneArray = Float32Array | Uint16Array | Int8Array;

const arrayTypes = { float32: Float32Array, float16: Uint16Array, int8: Int8Array } as const;

/** A plane of zeros [1, kvHeads, capacity, width]. */
export function planeTensor({ type, width }: Plane, kvHeads: number, capacity: number): Tensor {
  const data = new arrayTypes[type](kvHeads * capacity * width);
  return new Tensor(type, data, [1, kvHeads, capacity, width]);
}

/** Rows that one or more sequences share. */
export interface Store {
  readonly capacity: number;
  /** Planes of keys and of values by layer, each [kvHeads, capacity, width]. */
  readonly arrays: readonly PlaneArray[];
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
  private readonly maxBytes: number;
  private readonly makeRoom: () => boolean;
  private used = 0;

  /**
   * @param maxBytes Most bytes of all stores.
   * @param makeRoom Gives something up where they are all in use; false where there is nothing left to give up.
   */
  constructor(shape: KvShape, maxBytes: number, makeRoom: () => boolean) {
    this.shape = shape;
    this.planes = planesOf(shape.cacheType, shape.headDim);
    this.maxBytes = maxBytes;
    this.makeRoom = makeRoom;
  }

  /** Bytes of the stores that somebody holds. */
  get bytes(): number {
    return this.used;
  }

  /** A store of at least `rows` rows. @throws ResourceExhaustedError where the bound leaves no room for it. */
  allocate(rows: number): Store {
    const { layers, kvHeads, contextLength } = this.shape;
    const capacity = Math.min(roundUp(rows), roundUp(contextLength + 1));
    const bytes = this.bytesOf(capacity);
    while (this.used + bytes > this.maxBytes) {
      if (!this.makeRoom()) {
        throw new ResourceExhaustedError(
          `engine: ${bytes} bytes of keys and values beside ${this.used} in use are more than the bound of ${this.maxBytes}; end sequences or raise maxCacheBytes`,
        );
      }
    }
    this.used += bytes;
    const tensors = Array.from({ length: 2 * layers }, () =>
      this.planes.map((plane) => planeTensor(plane, kvHeads, capacity)),
    ).flat();
    const arrays = tensors.map(({ data }) => data as PlaneArray);
    return { capacity, arrays, tensors, written: 0, owners: 1 };
  }

  /** An owner lets go of a store. */
  release(store: Store): void {
    store.owners--;
    if (store.owners === 0) this.used -= this.bytesOf(store.capacity);
  }

  private bytesOf(capacity: number): number {
    const { layers, kvHeads } = this.shape;
    const rowBytes = this.planes.reduce(
      (sum, { type, width }) => sum + width * arrayTypes[type].BYTES_PER_ELEMENT,
      0,
    );
    return 2 * layers * kvHeads * capacity * rowBytes;
  }
}

/** Capacities are multiples of 64 rows. */
function roundUp(rows: number): number {
  return Math.ceil(rows / 64) * 64;
}
