/** What runs rows of sequences: one implementation a graph layout. */
import { Tensor } from "onnxruntime-node";
import type { SequenceCache } from "./sequence-cache.ts";

/** ONNX Runtime takes other kernels for a single row; with two or more a row's result does not depend on their number. */
export const fewestRows = 2;

/** Rows of one sequence. */
export interface Part<Cache extends SequenceCache = SequenceCache> {
  readonly cache: Cache;
  readonly ids: Int32Array;
  /** Null for a causal run; else parents of the nodes, -1 for a child of the last row before. */
  readonly parents: Int32Array | null;
  /** Rows before these. */
  readonly past: number;
  /** Rows of these whose logits are wanted. */
  readonly wanted: readonly number[];
  /** False runs a single row alone, for the control of the self-test. */
  readonly padded: boolean;
  /** Whether hidden states of these rows are wanted, too. */
  readonly taps: boolean;
}

/** What a run gives for a part. */
export interface PartRows {
  /** [wanted, vocab] */
  readonly logits: Float32Array;
  /** [wanted, tapWidth]; null where not asked for. */
  readonly taps: Float32Array | null;
}

/** A session over a graph. */
export interface Runner<Cache extends SequenceCache = SequenceCache> {
  /** Sequences of a run, at most. */
  readonly slots: number;
  /**
   * Runs the rows of 1 to `slots` sequences and writes their keys and values after `past`.
   *
   * @returns For each part.
   */
  run(parts: readonly Part<Cache>[]): Promise<PartRows[]>;
}

/** An input of integers. */
export function integers(
  values: readonly number[],
  dims: readonly number[] = [values.length],
): Tensor {
  return new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}
