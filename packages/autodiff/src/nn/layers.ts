/**
 * Layers: a type of parameters, their first values, and a function of parameters and rows.
 *
 * Parameters are trees of tensors within a traced function, and of host arrays outside; T stands for either (they are types, since an interface is
 * no tree to TypeScript). Rows are [..., width].
 */
import type { Rng } from "@veridraft/core-probs";
import { gelu, relu, silu } from "../operations/activations.ts";
import { add, mul } from "../operations/elementwise.ts";
import { matmul } from "../operations/matmul.ts";
import { layerNorm, rmsNorm } from "../operations/normalize.ts";
import type { HostTensor } from "../runner.ts";
import type { Tensor } from "../tensor.ts";
import { filled, normal } from "./init.ts";

/** A low-rank addition to a matrix: a [inputs, rank] times b [rank, outputs]. */
export type Lora<T> = {
  readonly a: T;
  readonly b: T;
};

/** y = x weight + bias. */
export type Linear<T> = {
  /** [inputs, outputs] */
  readonly weight: T;
  /** [outputs] */
  readonly bias?: T;
  readonly lora?: Lora<T>;
};

/** What the first values of a linear layer depend on. */
export interface LinearOptions {
  /** Of the weights; by default 1 / sqrt(inputs), which keeps the variance of rows. */
  readonly deviation?: number;
  /** Whether there is a bias, at first 0. By default none. */
  readonly bias?: boolean;
}

export function initLinear(
  inputs: number,
  outputs: number,
  rng: Rng,
  { deviation = inputs ** -0.5, bias = false }: LinearOptions = {},
): Linear<HostTensor> {
  const weight = normal([inputs, outputs], deviation, rng);
  return bias ? { weight, bias: filled([outputs], 0) } : { weight };
}

export function linear({ weight, bias, lora }: Linear<Tensor>, x: Tensor): Tensor {
  const product = matmul(x, weight);
  const sum = lora ? add(product, matmul(matmul(x, lora.a), lora.b)) : product;
  return bias ? add(sum, bias) : sum;
}

/** A norm over the last axis: of the root mean square, or with a bias of mean and variance. */
export type Norm<T> = {
  /** [width] */
  readonly weight: T;
  /** [width] */
  readonly bias?: T;
};

/** Kinds of norms. */
export type NormKind = "rms" | "layer";

export function initNorm(kind: NormKind, width: number): Norm<HostTensor> {
  const weight = filled([width], 1);
  return kind === "layer" ? { weight, bias: filled([width], 0) } : { weight };
}

export function normalize({ weight, bias }: Norm<Tensor>, x: Tensor, epsilon: number): Tensor {
  return bias ? layerNorm(x, weight, bias, { epsilon }) : rmsNorm(x, weight, { epsilon });
}

/** A feed-forward layer; with a gate it is SwiGLU, (silu(x gate) * x up) down. */
export type Mlp<T> = {
  readonly gate?: Linear<T>;
  readonly up: Linear<T>;
  readonly down: Linear<T>;
};

/** Kinds of feed-forward layers. */
export type MlpKind = "swiglu" | "gelu" | "relu";

export function initMlp(
  kind: MlpKind,
  width: number,
  hidden: number,
  rng: Rng,
  options: LinearOptions = {},
): Mlp<HostTensor> {
  const up = initLinear(width, hidden, rng, options);
  const down = initLinear(hidden, width, rng, options);
  return kind === "swiglu"
    ? { gate: initLinear(width, hidden, rng, options), up, down }
    : { up, down };
}

export function feedForward(kind: MlpKind, { gate, up, down }: Mlp<Tensor>, x: Tensor): Tensor {
  const raised = linear(up, x);
  if (gate) return linear(down, mul(silu(linear(gate, x)), raised));
  return linear(down, kind === "relu" ? relu(raised) : gelu(raised));
}
