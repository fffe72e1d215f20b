/** Softmax and the norms of transformers, each one node forward. */
import { ShapeError } from "@veridraft/core-probs";
import { axisOf, checkType, sameShape } from "../shapes.ts";
import { apply, type Operation, showShape, type Tensor } from "../tensor.ts";
import { add, exp, mul, pow, square, sub } from "./elementwise.ts";
import { mean, sum } from "./reduce.ts";
import { sumTo } from "./shape.ts";

function softmaxLike(
  name: string,
  op: string,
  gradient: (y: Tensor, dy: Tensor, axis: number) => Tensor,
): (x: Tensor, axis?: number) => Tensor {
  const operation: Operation<number> = {
    name,
    infer: ([x]) => [x],
    vjp: ({ outputs: [y], attributes: axis }, [dy]) => [gradient(y, dy as Tensor, axis)],
    lower: (lowering, inputs, { attributes: axis }) => [lowering.node(op, inputs, { axis })],
  };
  return (x, axis = -1) => {
    checkType(name, x, "float32");
    return apply(operation, [x], axisOf(name, axis, x));
  };
}

/** Probabilities along an axis, by default the last: e^x / sum e^x. NaN where all are -Infinity. */
export const softmax: (x: Tensor, axis?: number) => Tensor = softmaxLike(
  "softmax",
  "Softmax",
  (y, dy, axis) => mul(sub(dy, sum(mul(dy, y), axis, { keepDims: true })), y),
);
/** Log-probabilities along an axis, by default the last. NaN where all are -Infinity. */
export const logSoftmax: (x: Tensor, axis?: number) => Tensor = softmaxLike(
  "logSoftmax",
  "LogSoftmax",
  (y, dy, axis) => sub(dy, mul(exp(y), sum(dy, axis, { keepDims: true }))),
);

/** The backward pass computes the statistics of the rows again: not every device gives those of the forward pass. */
function normOperation(name: string, op: string, centered: boolean): Operation<number> {
  return {
    name,
    infer: ([x]) => [x],
    vjp({ inputs: [x, weight, bias], attributes: epsilon }, [gradient]) {
      const dy = gradient as Tensor;
      const level = (z: Tensor): Tensor => (centered ? sub(z, rowMean(z)) : z);
      const moved = level(x);
      const scale = pow(add(rowMean(square(moved)), epsilon), -0.5);
      const unit = mul(moved, scale);
      // What a norm can follow of a gradient: neither along the row nor, where it is centered, along its level.
      const du = mul(dy, weight);
      const dx = mul(sub(level(du), mul(unit, rowMean(mul(du, unit)))), scale);
      const dWeight = sumTo(mul(dy, unit), weight.shape);
      return bias ? [dx, dWeight, sumTo(dy, bias.shape)] : [dx, dWeight];
    },
    lower: (lowering, inputs, { attributes: epsilon }) => [
      lowering.node(op, inputs, { axis: -1, epsilon: { float: epsilon } }),
    ],
  };
}

function rowMean(x: Tensor): Tensor {
  return mean(x, -1, { keepDims: true });
}

const layerNormOperation = normOperation("layerNorm", "LayerNormalization", true);
const rmsNormOperation = normOperation("rmsNorm", "SimplifiedLayerNormalization", false);

/** What a norm adds to the variance. */
export interface NormOptions {
  /** By default 1e-5. */
  readonly epsilon?: number;
}

/**
 * (x - mean) / sqrt(variance + epsilon) * weight + bias, over the last axis.
 *
 * @param weight [width] @param bias [width], or undefined for none.
 * @throws ShapeError where they have not the width of x.
 */
export function layerNorm(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { epsilon = 1e-5 }: NormOptions = {},
): Tensor {
  checkWidth("layerNorm", x, weight);
  if (bias) checkWidth("layerNorm", x, bias);
  return apply(layerNormOperation, bias ? [x, weight, bias] : [x, weight], epsilon);
}

/**
 * x / sqrt(mean(x^2) + epsilon) * weight, over the last axis.
 *
 * @param weight [width]
 * @throws ShapeError where it has not the width of x.
 */
export function rmsNorm(x: Tensor, weight: Tensor, { epsilon = 1e-5 }: NormOptions = {}): Tensor {
  checkWidth("rmsNorm", x, weight);
  return apply(rmsNormOperation, [x, weight], epsilon);
}

function checkWidth(name: string, x: Tensor, vector: Tensor): void {
  for (const each of [x, vector]) checkType(name, each, "float32");
  if (vector.shape.length === 1 && sameShape(vector.shape, x.shape.slice(-1))) return;
  throw new ShapeError(
    `${name}: weight and bias must have the width of x ${showShape(x.shape)}, got ${showShape(vector.shape)}`,
  );
}
