/** The memory of key and value rows, in stores that sequences share, up to a bound. */
import { ResourceExhaustedError } from "@veridraft/core-probs";
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
export interface Store {
  readonly capacity: number;
  /** [2 * layers] keys and values by layer, each [kvHeads, capacity, headDim]. */
  readonly arrays: readonly Float32Array[];
  /** The same memory as the session's inputs. */
  readonly tensors: readonly Tensor[];
  /** Rows written so far by the sequence that is furthest. */
  written: number;
  owners: number;
}

/** Gives out stores. */
export class KvPool {
  readonly shape: KvShape;
  private readonly maxBytes: number;
  private readonly makeRoom: () => boolean;
  private used = 0;

  /**
   * @param maxBytes Most bytes of all stores.
   * @param makeRoom Gives something up where they are all in use; false where there is nothing left to give up.
   */
  constructor(shape: KvShape, maxBytes: number, makeRoom: () => boolean) {
    this.shape = shape;
    this.maxBytes = maxBytes;
    this.makeRoom = makeRoom;
  }

  /** Bytes of the stores that somebody holds. */
  get bytes(): number {
    return this.used;
  }

  /** A store of at least `rows` rows. @throws ResourceExhaustedError where the bound leaves no room for it. */
  allocate(rows: number): Store {
    const { layers, kvHeads, headDim, contextLength } = this.shape;
    const capacity = Math.min(roundUp(rows), roundUp(contextLength));
    const bytes = this.bytesOf(capacity);
    while (this.used + bytes > this.maxBytes) {
      if (!this.makeRoom()) {
        throw new ResourceExhaustedError(
          `engine: ${bytes} bytes of keys and values beside ${this.used} in use are more than the bound of ${this.maxBytes}; end sequences or raise maxCacheBytes`,
        );
      }
    }
    this.used += bytes;
    const arrays = Array.from(
      { length: 2 * layers },
      () => new Float32Array(kvHeads * capacity * headDim),
    );
    const tensors = arrays.map(
      (data) => new Tensor("float32", data, [1, kvHeads, capacity, headDim]),
    );
    return { capacity, arrays, tensors, written: 0, owners: 1 };
  }

  /** An owner lets go of a store. */
  release(store: Store): void {
    store.owners--;
    if (store.owners === 0) this.used -= this.bytesOf(store.capacity);
  }

  private bytesOf(capacity: number): number {
    const { layers, kvHeads, headDim } = this.shape;
    return 2 * layers * kvHeads * capacity * headDim * Float32Array.BYTES_PER_ELEMENT;
  }
}

/** Capacities are multiples of 64 rows. */
function roundUp(rows: number): number {
  return Math.ceil(rows / 64) * 64;
}
