/**
 * Rotary positions: the angle of pair j at a position is position * base^(-2 j / headDim).
 *
 * Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021, arXiv:2104.09864; in two dimensions as in Sun et al.,
 * "Autoregressive Model Beats Diffusion: Llama for Scalable Image Generation", 2024, arXiv:2406.06525.
 */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { cos, mul, sin } from "../operations/elementwise.ts";
import { cast } from "../operations/select.ts";
import { expandDims } from "../operations/shape.ts";
import { concat } from "../operations/slices.ts";
import { constant, type Tensor } from "../tensor.ts";

/** Of each position, [..., headDim / 2]. */
export interface Angles {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** @param positions int32 or int64 [...] @throws InvalidArgumentError for an odd headDim. */
export function rotaryAngles(positions: Tensor, headDim: number, base: number): Angles {
  const angles = anglesOf(positions, pairsOf(headDim, 2), base);
  return { cos: cos(angles), sin: sin(angles) };
}

/**
 * Angles of the cells of a grid: the first half of the pairs turns with the row, the second with the column, each with the frequencies of a head of half
 * the size.
 *
 * @param rows int32 [...] @param columns alike @throws InvalidArgumentError where headDim is no multiple of 4.
 */
export function gridAngles(rows: Tensor, columns: Tensor, headDim: number, base: number): Angles {
  const pairs = pairsOf(headDim, 4);
  const angles = concat([anglesOf(rows, pairs, base), anglesOf(columns, pairs, base)], -1);
  return { cos: cos(angles), sin: sin(angles) };
}

function pairsOf(headDim: number, divisor: number): number {
  if (Number.isInteger(headDim / divisor)) return headDim / divisor;
  throw new InvalidArgumentError(
    `rotary positions: headDim must be a multiple of ${divisor}, got ${headDim}`,
  );
}

function anglesOf(positions: Tensor, pairs: number, base: number): Tensor {
  const frequencies = Float32Array.from({ length: pairs }, (_, j) => base ** (-j / pairs));
  return mul(expandDims(cast(positions, "float32"), -1), constant(frequencies));
}
