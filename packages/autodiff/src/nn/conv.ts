/** Convolutions of images [batch, channels, height, width], with a bias, and blocks of them. */
import type { Rng } from "@veridraft/core-probs";
import { relu } from "../operations/activations.ts";
import { conv2d, type ConvOptions } from "../operations/conv.ts";
import { add } from "../operations/elementwise.ts";
import { reshape } from "../operations/shape.ts";
import type { HostTensor } from "../runner.ts";
import type { Tensor } from "../tensor.ts";
import { filled, normal } from "./init.ts";

/** A convolution and what it adds to each channel. */
export type Conv<T> = {
  /** [out, in, kernel, kernel] */
  readonly weight: T;
  /** [out] */
  readonly bias: T;
};

/** Normal with deviation sqrt(2 / inputs of an element), He et al., 2015, arXiv:1502.01852; bias 0. */
export function initConv(
  inputs: number,
  outputs: number,
  kernel: number,
  rng: Rng,
): Conv<HostTensor> {
  const deviation = Math.sqrt(2 / (inputs * kernel * kernel));
  return {
    weight: normal([outputs, inputs, kernel, kernel], deviation, rng),
    bias: filled([outputs], 0),
  };
}

export function conv({ weight, bias }: Conv<Tensor>, x: Tensor, options: ConvOptions = {}): Tensor {
  return add(conv2d(x, weight, options), reshape(bias, [-1, 1, 1]));
}

/** x + conv1x1(relu(conv3x3(relu(x)))), van den Oord et al., 2017, arXiv:1711.00937. */
export type ResidualBlock<T> = {
  readonly spatial: Conv<T>;
  readonly pointwise: Conv<T>;
};

export function initResidualBlock(
  channels: number,
  inner: number,
  rng: Rng,
): ResidualBlock<HostTensor> {
  return {
    spatial: initConv(channels, inner, 3, rng),
    pointwise: initConv(inner, channels, 1, rng),
  };
}

export function residualBlock({ spatial, pointwise }: ResidualBlock<Tensor>, x: Tensor): Tensor {
  return add(x, conv(pointwise, relu(conv(spatial, relu(x), { padding: 1 }))));
}
