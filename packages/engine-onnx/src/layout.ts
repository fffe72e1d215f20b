/** What decoder graphs differ in beside the network. */
import type { DecoderShape } from "./architectures.ts";
import type { Weights } from "./weights.ts";

/**
 * How rows, keys and values go into a graph, and logits, keys and values come out. The network has the rows of all sequences in one matrix.
 * Opening a layout declares its inputs, `input_ids` and `position_ids` among them.
 */
export interface Layout {
  /** Rows [rows, width] as the sequences they are of, in the shape of `position_ids` [sequences, S, width]. */
  apart(x: string, output: string, width: number): string;
  /** The reverse. */
  together(x: string, output: string, width: number): string;
  /** Attention of layer i over queries, keys and values [rows, (heads + 2 kvHeads) headDim] and those that came in: [rows, heads headDim]. */
  attend(i: number, packed: string): string;
  /**
   * Puts out the logits of the rows of hidden states [rows, hidden] that are wanted, and whatever else belongs to the layout.
   *
   * @param taps Hidden states [rows, hidden] that callers may ask for.
   * @param head Adds the output layer: logits [R, vocab], float32, of rows [R, hidden].
   */
  finish(
    hidden: string,
    taps: readonly string[],
    head: (rows: string, output: string) => void,
  ): void;
}

/** Begins a graph. */
export type OpenLayout = (weights: Weights, shape: DecoderShape) => Layout;

/** The other inputs of an attention node. */
export interface AttentionInputs {
  readonly pastKeys: string;
  readonly pastValues: string;
  /** int32 [sequences]: tokens of each, less one. */
  readonly seqlens: string;
  /** int32 [1]: tokens of the longest. */
  readonly total: string;
  /** [1, 1, S, tokens], or empty. */
  readonly bias: string;
}

/**
 * The attention node: causal, of rows that are rotated already.
 *
 * @param packed Queries, keys and values [sequences, S, (heads + 2 kvHeads) headDim].
 * @param outputs The attended rows, and keys and values of all tokens.
 * @param window Rows that a row sees, itself the last; -1 for all.
 */
export function attentionNode(
  { graph }: Weights,
  { heads, kvHeads, headDim }: DecoderShape,
  packed: string,
  { pastKeys, pastValues, seqlens, total, bias }: AttentionInputs,
  outputs: readonly [string, string, string],
  window = -1,
): string {
  return graph.node(
    "com.microsoft:GroupQueryAttention",
    [packed, "", "", pastKeys, pastValues, seqlens, total, "", "", "", bias],
    outputs,
    {
      num_heads: heads,
      kv_num_heads: kvHeads,
      scale: { float: headDim ** -0.5 },
      local_window_size: window,
    },
  );
}
