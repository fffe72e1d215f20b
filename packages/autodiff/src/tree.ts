/** Trees of arrays: parameters, gradients and the state of an optimizer have the same form, so that one can be walked beside the other. */

/** Nested arrays and records of `T`. */
export type Tree<T> = T | readonly Tree<T>[] | { readonly [key: string]: Tree<T> };

/** An array on the host, row-major. */
export interface HostTensor {
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
}
