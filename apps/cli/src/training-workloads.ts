/**
 * What `bench training` trains, for every engine the same: parameters and batches from a seed, and the loss. tools/peers has the losses in the words of
 * other engines; what they need to know is in `description`.
 */
import {
  crossEntropy,
  type HostTensor,
  type Params,
  relu,
  reshape,
  type Tensor,
  type Tree,
} from "@veridraft/autodiff";
import {
  type Conv,
  conv,
  initConv,
  initLinear,
  initTransformer,
  type Linear,
  linear,
  logitsOf,
  type Transformer,
  transformer,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import { createRng, type Rng } from "@veridraft/core-probs";

/** Inputs and targets. */
export type Batch = [x: HostTensor, y: HostTensor];

/** A training that can be measured. */
export interface Workload {
  readonly params: Params;
  readonly loss: (params: Tree<Tensor>, x: Tensor, y: Tensor) => Tensor;
  readonly batches: readonly Batch[];
  /** Threads that are tried; the faster count. */
  readonly threads: readonly number[];
  /** For other engines. */
  readonly description: Readonly<Record<string, string | number>>;
}

/** Settings of the optimizer: AdamW, of all parameters, after clipping of the global norm. */
export const optimizerSettings = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  clip: 1,
} as const;

/** The workloads, as a table names them. */
export const workloadNames = {
  transformer: "transformer, 8 layers of 256, 8 x 128 tokens",
  conv: "convolutions, 64 images of 28 x 28",
  toy: "transformer, 2 layers of 32, 32 x 52 tokens",
} as const;
/** A key of {@link workloadNames}. */
export type WorkloadName = keyof typeof workloadNames;

const batchCount = 4;
const seed = 1;

/** Builds a workload: each time the same. */
export function createWorkload(name: WorkloadName): Workload {
  const rng = createRng(seed).at(0, "sample");
  if (name === "conv") return convolutions(rng);
  return name === "toy" ? language(rng, 32, [1, 2], toyConfig) : language(rng, 8, [2], largeConfig);
}

const shared = { norm: "layer", rotaryBase: null, tied: true } as const;
const largeConfig: TransformerConfig = {
  ...shared,
  vocabSize: 512,
  contextLength: 128,
  layers: 8,
  width: 256,
  heads: 8,
  hidden: 1024,
  mlp: "gelu",
};
/** The model of the two-step walk. */
const toyConfig: TransformerConfig = {
  ...shared,
  vocabSize: 28,
  contextLength: 52,
  layers: 2,
  width: 32,
  heads: 4,
  hidden: 128,
  mlp: "relu",
};

function language(
  rng: Rng,
  batch: number,
  threads: readonly number[],
  config: TransformerConfig,
): Workload {
  const { vocabSize, contextLength, layers, heads, mlp } = config;
  const shape = [batch, contextLength];
  return {
    threads,
    params: initTransformer(config, rng),
    loss(tree, x, y) {
      const params = tree as Transformer<Tensor>;
      return crossEntropy(logitsOf(params, transformer(params, x, config)), y);
    },
    batches: Array.from({ length: batchCount }, () => [
      integers(shape, vocabSize, rng),
      integers(shape, vocabSize, rng),
    ]),
    description: { kind: "transformer", layers, heads, mlp },
  };
}

const [images, kinds, hidden, channels] = [64, 10, 128, [16, 32]] as const;
const flat = channels[1] * 7 * 7;

type Classifier<T> = {
  readonly convs: readonly Conv<T>[];
  readonly hidden: Linear<T>;
  readonly head: Linear<T>;
};

function convolutions(rng: Rng): Workload {
  return {
    threads: [2],
    params: {
      convs: [initConv(1, channels[0], 5, rng), initConv(channels[0], channels[1], 5, rng)],
      hidden: initLinear(flat, hidden, rng, { bias: true }),
      head: initLinear(hidden, kinds, rng, { bias: true }),
    },
    loss(tree, x, y) {
      const params = tree as Classifier<Tensor>;
      const seen = params.convs.reduce(
        (each, layer) => relu(conv(layer, each, { stride: 2, padding: 2 })),
        x,
      );
      const rows = reshape(seen, [images, flat]);
      return crossEntropy(linear(params.head, relu(linear(params.hidden, rows))), y);
    },
    batches: Array.from({ length: batchCount }, () => [
      {
        data: Float32Array.from({ length: images * 28 * 28 }, () => 2 * rng.uniform() - 1),
        shape: [images, 1, 28, 28],
      },
      integers([images], kinds, rng),
    ]),
    description: { kind: "conv" },
  };
}

function integers(shape: readonly number[], below: number, rng: Rng): HostTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  return { data: Int32Array.from({ length }, () => Math.floor(rng.uniform() * below)), shape };
}
