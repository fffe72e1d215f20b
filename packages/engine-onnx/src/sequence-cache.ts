import type { Tensor } from "onnxruntime-node";

/** The key and value rows of a sequence and the tokens they are of, wherever they are kept. */
export interface SequenceCache {
  /** Of the committed rows. */
  readonly tokens: readonly number[];
  /** Whether every row is one of a causal run, so that another run with the same tokens gives the same row. */
  readonly isCausal: boolean;
  /** Committed rows. */
  readonly length: number;
  /** Bytes of the rows, which others may share. */
  readonly bytes: number;
  /** Makes room for rows [from, to), from >= length. @throws ResourceExhaustedError; the rows are as before then. */
  reserve(from: number, to: number): void;
  /** Commits written rows of these tokens. */
  commit(tokens: ArrayLike<number>): void;
  /** Commits rows length + nodes[i] of a tree's tokens. Nodes ascend. */
  commitPath(nodes: ArrayLike<number>, tokens: ArrayLike<number>): void;
  /** Forgets the rows after the first `length`. */
  truncate(length: number): void;
  /** A second sequence over the first `length` rows. */
  fork(length?: number): SequenceCache;
  /** Lets go of the rows. */
  dispose(): void;
}

/** What a graph of the full layout takes and gives. */
export interface FullCache extends SequenceCache {
  /** The keys and values of each layer, at least the first `length` rows of them. */
  past(length: number): readonly Tensor[];
  /** Takes over rows [at, at + count) of the graph's outputs, as yet uncommitted. */
  keep(present: readonly Tensor[], at: number, count: number): void;
}
