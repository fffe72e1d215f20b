/** What the engine needs to know of a graph in its own layout (see delta-layout.ts), found in the graph's inputs and outputs. */
import { UnsupportedError } from "@veridraft/core-probs";
import type { CacheType } from "./cache-type.ts";
import type { OnnxHeader } from "./onnx-header.ts";

/** Graphs that we write: they give only new rows, and read trees. */
export interface DeltaGraph {
  readonly layout: "delta";
  /** Graph for runs of a single sequence. */
  readonly solo: string;
  /** Graph for runs of up to `slots` sequences; null runs one sequence after another. */
  readonly batch: string | null;
  readonly slots: number;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly cacheType: CacheType;
  readonly vocabSize: number;
  /** Of a row of hidden states; 0 where the graph gives none. */
  readonly tapWidth: number;
}

/** Whether a graph has the engine's own layout. */
export function isDeltaGraph({ inputs }: OnnxHeader): boolean {
  return inputs.some(({ name }) => name === "seqlens_k.0");
}

/** The sizes of a graph for one sequence, with keys and values in float32. @throws UnsupportedError where they cannot be read from it. */
export function deltaGraph({ path, inputs, outputs }: OnnxHeader): DeltaGraph {
  const fresh = outputs.find(({ name }) => name === "new_kv");
  const logits = outputs.find(({ name }) => name === "logits");
  const tapWidth = outputs.find(({ name }) => name === "taps")?.dims.at(-1) ?? 0;
  const [layers, , kvHeads, , headDim] = fresh?.dims ?? [];
  const vocabSize = logits?.dims.at(-1);
  const sizes = [layers, kvHeads, headDim, vocabSize, tapWidth];
  if (inputs.some(({ name }) => name === "unpack") || !sizes.every(Number.isInteger)) {
    throw new UnsupportedError(
      `deltaGraph: ${path} has the engine's own layout, but not for one sequence with keys and values in float32, as exportOnnx writes it`,
    );
  }
  return {
    layout: "delta",
    solo: path,
    batch: null,
    slots: 1,
    layers: layers as number,
    kvHeads: kvHeads as number,
    headDim: headDim as number,
    cacheType: "f32",
    vocabSize: vocabSize as number,
    tapWidth: tapWidth as number,
  };
}
