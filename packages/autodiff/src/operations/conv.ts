/** Convolutions of images [batch, channels, height, width]. */
import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";
import { checkRank, checkType } from "../shapes.ts";
import { apply, type Operation, showShape, type Tensor } from "../tensor.ts";
import { transpose } from "./shape.ts";
import { slice } from "./slices.ts";

/** How a kernel moves; a pair is [vertical, horizontal]. */
export interface ConvOptions {
  /** By default 1. */
  readonly stride?: number | readonly [number, number];
  /** Zeros on both sides; by default 0. */
  readonly padding?: number | readonly [number, number];
  /** Distance of the elements of the kernel; by default 1. */
  readonly dilation?: number | readonly [number, number];
}

/** By axis. */
interface Window {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
}

/** By axis, the rows of the input that no step of a convolution reaches: a transposed one gives them, too. */
interface TransposedWindow extends Window {
  readonly rest: readonly number[];
}

function windowOf(name: string, options: ConvOptions): Window {
  const pair = (value: number | readonly [number, number] = 1, least = 1): readonly number[] => {
    const both = typeof value === "number" ? [value, value] : value;
    if (both.every((each) => Number.isInteger(each) && each >= least)) return both;
    throw new InvalidArgumentError(
      `${name}: stride and dilation must be integers >= 1 and padding >= 0, got ${both.join()}`,
    );
  };
  const { stride, padding = 0, dilation } = options;
  return { stride: pair(stride), padding: pair(padding, 0), dilation: pair(dilation) };
}

/** Height and width. @throws ShapeError where they are known at run time only. */
function areaOf(name: string, { shape }: Tensor): number[] {
  const area = shape.slice(2);
  if (area.every((size) => typeof size === "number")) return area;
  throw new ShapeError(`${name}: height and width must be known sizes, got ${showShape(shape)}`);
}

function windowAttributes({
  stride,
  padding,
  dilation,
}: Window): Record<string, readonly number[]> {
  return { strides: stride, pads: [...padding, ...padding], dilations: dilation };
}

const convOperation: Operation<Window> = {
  name: "conv2d",
  infer([x, weight], { stride, padding, dilation }) {
    const kernel = areaOf("conv2d", weight);
    const area = areaOf("conv2d", x).map((size, i) => {
      const free = size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1;
      return Math.floor(free / stride[i]) + 1;
    });
    if (x.shape[1] !== weight.shape[1] || area.some((size) => size < 1)) {
      throw new ShapeError(
        `conv2d: x ${showShape(x.shape)} and weight ${showShape(weight.shape)} do not fit: channels must be equal, and the padded image no smaller than the kernel`,
      );
    }
    return [{ dtype: "float32", shape: [x.shape[0], weight.shape[0], ...area] }];
  },
  vjp({ inputs: [x, weight], attributes: window }, [gradient]) {
    const dy = gradient as Tensor;
    const { stride, padding, dilation } = window;
    const [area, kernel] = [x, weight].map((each) => areaOf("conv2d", each));
    const rest = area.map(
      (size, i) => (size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) % stride[i],
    );
    return [
      apply(transposedOperation, [dy, weight], { ...window, rest }),
      kernelGradient(x, dy, weight, window),
    ];
  },
  lower: (lowering, inputs, { attributes }) => [
    lowering.node("Conv", inputs, windowAttributes(attributes)),
  ],
};

const transposedOperation: Operation<TransposedWindow> = {
  name: "convTranspose2d",
  infer([x, weight], { stride, padding, dilation, rest }) {
    const kernel = areaOf("convTranspose2d", weight);
    const area = areaOf("convTranspose2d", x).map(
      (size, i) =>
        (size - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + 1 + rest[i],
    );
    if (x.shape[1] !== weight.shape[0] || area.some((size) => size < 1)) {
      throw new ShapeError(
        `convTranspose2d: x ${showShape(x.shape)} and weight ${showShape(weight.shape)} do not fit: the channels of x must be the first axis of the weight, and something left of the padding`,
      );
    }
    return [{ dtype: "float32", shape: [x.shape[0], weight.shape[1], ...area] }];
  },
  vjp({ inputs: [x, weight], attributes: { stride, padding, dilation } }, [gradient]) {
    const dy = gradient as Tensor;
    const window = { stride, padding, dilation };
    return [apply(convOperation, [dy, weight], window), kernelGradient(dy, x, weight, window)];
  },
  lower: (lowering, inputs, { attributes }) => [
    lowering.node("ConvTranspose", inputs, {
      ...windowAttributes(attributes),
      output_padding: attributes.rest,
    }),
  ],
};

/** The gradient of a kernel between an image and the gradient of what it makes: itself a convolution, with batch and channels exchanged. */
function kernelGradient(x: Tensor, dy: Tensor, weight: Tensor, window: Window): Tensor {
  const exchange = [1, 0, 2, 3];
  const { stride, padding, dilation } = window;
  const images = transpose(x, exchange);
  const kernels = transpose(dy, exchange);
  const found = apply(convOperation, [images, kernels], {
    stride: dilation,
    padding,
    dilation: stride,
  });
  const [height, width] = areaOf("conv2d", weight);
  return transpose(slice(slice(found, 2, 0, height), 3, 0, width), exchange);
}

function checkConv(name: string, x: Tensor, weight: Tensor): void {
  for (const each of [x, weight]) {
    checkType(name, each, "float32");
    checkRank(name, each === x ? "x" : "weight", each, 4);
  }
}

/**
 * A 2-D convolution (cross-correlation, as everywhere in machine learning).
 *
 * @param x [batch, in, height, width] @param weight [out, in, kernel height, kernel width]
 * @returns [batch, out, floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, by axis]
 * @throws ShapeError where they do not fit, InvalidArgumentError for a stride, padding or dilation out of range.
 */
export function conv2d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  checkConv("conv2d", x, weight);
  return apply(convOperation, [x, weight], windowOf("conv2d", options));
}

/**
 * The transpose of {@link conv2d}: what its gradient does to an image.
 *
 * @param x [batch, in, height, width] @param weight [in, out, kernel height, kernel width]
 * @returns [batch, out, (size - 1) stride - 2 padding + dilation (kernel - 1) + 1, by axis]
 * @throws ShapeError where they do not fit, InvalidArgumentError for a stride, padding or dilation out of range.
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  checkConv("convTranspose2d", x, weight);
  const window = windowOf("convTranspose2d", options);
  return apply(transposedOperation, [x, weight], { ...window, rest: [0, 0] });
}
