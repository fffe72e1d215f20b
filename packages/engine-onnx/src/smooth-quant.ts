/**
 * Smoothing of activations before they are rounded: input channel k of a linear layer is divided by s[k] and its weights are multiplied by it, so that
 * channels that stand out do not set the step for all others. s[k] = max|x[k]|^alpha / max|w[k]|^(1 - alpha); what makes x takes the division.
 *
 * Guangxuan Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models", 2022, arXiv:2211.10438.
 *
 * Departures: the feed-forward layer's second product is smoothed, too, by the rows of `up`. That after attention is not: query heads share the
 * values that would have to take the division.
 */
import { tokenizerFromGguf } from "@veridraft/tokenization";
import type { DecoderShape } from "./architectures.ts";
import { calibrationText } from "./calibration-text.ts";
import { usableCpus } from "./cpus.ts";
import type { Gguf } from "./gguf.ts";
import { ByteBudget } from "./byte-budget.ts";
import { KvCache } from "./kv-cache.ts";
import { KvPool } from "./kv-pool.ts";
import { DeltaRunner } from "./delta-runner.ts";
import { type FileMatrix, float32, type Format } from "./weights.ts";

/** How much of the spread of activations goes into the weights; found on other text than the calibration's. */
const alpha = 0.6;
/** Most rows of one run; each starts anew. */
const mostRows = 512;

/** float32 with the largest magnitudes of each input channel as further outputs, of the activations and of the weights. */
export const measuring: Format = {
  layers: {
    ...float32,
    linear(weights, layer) {
      const { graph } = weights;
      const rows = weights.constant("measuring.rows", BigInt64Array.of(0n), [1]);
      for (const [suffix, tensor] of [
        ["x", layer.x],
        ["w", weights.declare(layer.name)],
      ]) {
        const name = `${layer.name}.${suffix}`;
        const magnitudes = graph.node("Abs", [tensor], `${name}.abs`);
        graph.node("ReduceMax", [magnitudes, rows], name, { keepdims: 0 });
        graph.output(name, "float32", [layer.K]);
      }
      return float32.linear(weights, layer);
    },
  },
  table: float32,
  float: "float32",
};

/** The factors of a model: which inputs take them, and whose outputs make up for it. */
export class Smoothing {
  private readonly inputs = new Map<string, Float32Array>();
  private readonly outputs = new Map<string, Float32Array>();

  /** @param largest Magnitudes by the names of {@link measuring}. */
  constructor({ layers, feedForward }: DecoderShape, largest: ReadonlyMap<string, Float32Array>) {
    const smooth = (name: string, maker: string, ahead = 0): void => {
      const w = largest.get(`${name}.w`) as Float32Array;
      const factors = (largest.get(`${name}.x`) as Float32Array).map(
        // A channel without activations or without weights has nothing to smooth.
        (x, k) => (x > 0 && w[k] > 0 ? x ** alpha / w[k] ** (1 - alpha) : 1),
      );
      this.inputs.set(name, factors);
      const outputs = new Float32Array(ahead + factors.length).fill(1);
      outputs.set(factors, ahead);
      this.outputs.set(maker, outputs);
    };
    for (let i = 0; i < layers; i++) {
      smooth(`blk.${i}.qkv`, `blk.${i}.attn_norm.weight`);
      smooth(`blk.${i}.gate_up`, `blk.${i}.ffn_norm.weight`);
      smooth(`blk.${i}.down`, `blk.${i}.gate_up`, feedForward);
    }
  }

  /** A matrix times the factors of its inputs, divided by those that its outputs take. */
  matrix(name: string, matrix: FileMatrix): FileMatrix {
    const { rows, cols } = matrix;
    const inputs = this.inputs.get(name) ?? new Float32Array(cols).fill(1);
    const outputs = this.outputs.get(name) ?? new Float32Array(rows).fill(1);
    return {
      ...matrix,
      async floats() {
        const values = await matrix.floats();
        for (let row = 0, i = 0; row < rows; row++) {
          for (let col = 0; col < cols; col++, i++) values[i] *= inputs[col] / outputs[row];
        }
        return values;
      },
    };
  }

  /** A normalization's weights divided by the factors of what it feeds. */
  norm(name: string, values: Float32Array): Float32Array {
    const outputs = this.outputs.get(name);
    return values.map((value, k) => value / (outputs?.[k] ?? 1));
  }
}

/** Finds the factors by running the calibration text. @param path Of the graph in the format {@link measuring}. */
export async function smoothingOf(
  gguf: Gguf,
  shape: DecoderShape,
  path: string,
): Promise<Smoothing> {
  const { vocab: vocabSize, context: contextLength } = shape;
  const options = { threads: usableCpus(), spinning: false, affinity: undefined };
  const sizes = { ...shape, vocabSize, contextLength, cacheType: "f32", tapWidth: 0 } as const;
  const runner = await DeltaRunner.load(path, 1, sizes, { device: "cpu", ...options });
  const cache = KvCache.open(new KvPool(sizes, new ByteBudget(0, () => false)));
  const ids = tokenizerFromGguf(gguf.metadata).encode(calibrationText);
  const size = Math.min(mostRows, contextLength);
  const largest = new Map<string, Float32Array>();
  for (let start = 0; start < ids.length; start += size) {
    const outputs = await runner.probe({
      cache,
      ids: ids.subarray(start, start + size),
      parents: null,
      past: 0,
      wanted: [],
      padded: true,
      taps: false,
    });
    for (const [name, { data }] of Object.entries(outputs)) {
      if (!/\.[xw]$/.test(name)) continue;
      const values = data as Float32Array;
      const before = largest.get(name);
      largest.set(name, before ? values.map((value, k) => Math.max(value, before[k])) : values);
    }
  }
  await runner.release();
  return new Smoothing(shape, largest);
}
