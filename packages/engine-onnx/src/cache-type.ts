/**
 * How keys and values are kept: as they are, as halves, or as 8-bit integers with a scale for each row of a head.
 *
 * A graph rounds new rows before attention sees them, so that a row gives the same whether it is new or kept.
 */
import type { DecoderShape } from "./architectures.ts";
import { elementTypes } from "@veridraft/autodiff/onnx";
import type { Weights } from "./weights.ts";

export const cacheTypes = ["f32", "f16", "int8"] as const;
export type CacheType = (typeof cacheTypes)[number];

/** Numbers that are kept together: some for each row of each head. */
export interface Plane {
  /** Ends the names of its inputs and outputs. */
  readonly suffix: string;
  readonly type: "float32" | "float16" | "int8";
  /** Numbers of a row. */
  readonly width: number;
}

/** The planes of keys, and likewise those of values. */
export function planesOf(cacheType: CacheType, headDim: number): readonly Plane[] {
  switch (cacheType) {
    case "f32":
      return [{ suffix: "", type: "float32", width: headDim }];
    case "f16":
      return [{ suffix: "", type: "float16", width: headDim }];
    case "int8":
      return [
        { suffix: "", type: "int8", width: headDim },
        { suffix: "_scale", type: "float32", width: 1 },
      ];
  }
}

/** Rows as they go to the cache, by plane, and as they come back from there. */
export interface RoundedRows {
  /** Each [rows, 2 kvHeads width]. */
  readonly planes: readonly string[];
  /** [rows, 2 kvHeads headDim] */
  readonly restored: string;
}

/** Adds the nodes that round new rows [rows, 2 kvHeads headDim]. */
export function roundRows(
  cacheType: Exclude<CacheType, "f32">,
  weights: Weights,
  { kvHeads, headDim }: DecoderShape,
  rows: string,
): RoundedRows {
  const { graph } = weights;
  switch (cacheType) {
    case "f16": {
      const halves = graph.node("Cast", [rows], `${rows}.halves`, { to: elementTypes.float16 });
      const restored = graph.node("Cast", [halves], `${rows}.restored`, {
        to: elementTypes.float32,
      });
      return { planes: [halves], restored };
    }
    case "int8": {
      const byHead = weights.integers("cache.heads", -1, headDim);
      const together = weights.integers("cache.rows", -1, 2 * kvHeads * headDim);
      const scales = weights.integers("cache.scales", -1, 2 * kvHeads);
      const last = weights.integers("cache.last", -1);
      const step = weights.floats("cache.step", Float32Array.of(1 / 127), []);
      const heads = graph.node("Reshape", [rows, byHead], `${rows}.heads`);
      const magnitudes = graph.node("Abs", [heads], `${rows}.abs`);
      const largest = graph.node("ReduceMax", [magnitudes, last], `${rows}.max`, { keepdims: 0 });
      const scale = graph.node("Mul", [largest, step], `${rows}.head_scale`);
      const axis = { axis: 0 };
      const integers = graph.node("QuantizeLinear", [heads, scale], `${rows}.integers`, {
        ...axis,
        output_dtype: elementTypes.int8,
      });
      const floats = graph.node("DequantizeLinear", [integers, scale], `${rows}.floats`, axis);
      return {
        planes: [
          graph.node("Reshape", [integers, together], `${rows}.kept`),
          graph.node("Reshape", [scale, scales], `${rows}.kept_scale`),
        ],
        restored: graph.node("Reshape", [floats, together], `${rows}.restored`),
      };
    }
  }
}

/** Adds the node that restores kept rows. @param planes Each [1, kvHeads, rows, width]. @returns [1, kvHeads, rows, headDim] */
export function restoreRows(
  cacheType: CacheType,
  { graph }: Weights,
  { headDim }: DecoderShape,
  planes: readonly string[],
): string {
  const [kept] = planes;
  switch (cacheType) {
    case "f32":
      return kept;
    case "f16":
      return graph.node("Cast", planes, `${kept}.restored`, { to: elementTypes.float32 });
    case "int8":
      return graph.node("DequantizeLinear", planes, `${kept}.restored`, {
        axis: 3,
        block_size: headDim,
      });
  }
}
