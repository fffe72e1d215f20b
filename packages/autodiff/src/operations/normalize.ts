/** Softmax and the norms of transformers, each one node forward. */
import { ShapeError } from "@veridraft/core-probs";
import { axisOf, checkType, sameShape } from "../shapes.ts";
import { apply, applyAll, type Operation, showShape, type Tensor } from "../tensor.ts";
import { add, div, exp, mul, neg, square, sub } from "./elementwise.ts";
import { countOf, mean, sum } from "./reduce.ts";
import { broadcastTo, sumTo } from "./shape.ts";

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

/**
 * Outputs the normalized rows, what each was multiplied by, and, for a centered norm, what was subtracted before: their gradients spare the backward
 * pass the statistics.
 */
function normOperation(name: string, op: string, centered: boolean): Operation<number> {
  return {
    name,
    infer([x]) {
      const row = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] };
      return centered ? [x, row, row] : [x, row];
    },
    vjp({ inputs: [x, weight, bias], outputs: [, scale, center] }, [dy, dScale, dCenter]) {
      const unit = mul(centered ? sub(x, center) : x, scale);
      const width = countOf(x, [x.shape.length - 1]);
      const parts = [
        dy && mul(tangent(unit, mul(dy, weight), centered), scale),
        dScale && mul(unit, div(mul(neg(dScale), square(scale)), width)),
        dCenter ? broadcastTo(div(dCenter, width), x.shape) : null,
      ];
      return [
        parts.filter((part) => part !== null).reduce((a, b) => add(a, b)),
        dy && sumTo(mul(dy, unit), weight.shape),
        ...(bias ? [dy && sumTo(dy, bias.shape)] : []),
      ];
    },
    lower(lowering, inputs, { attributes: epsilon }) {
      const attributes = { axis: -1, epsilon: { float: epsilon } };
      const [y, first, second] = lowering.outputs(op, inputs, centered ? 3 : 2, attributes, 1);
      return centered ? [y, second, first] : [y, first];
    },
  };
}

/** What is left of a gradient along the rows that a norm can give. */
function tangent(unit: Tensor, gradient: Tensor, centered: boolean): Tensor {
  const along = mul(unit, mean(mul(gradient, unit), -1, { keepDims: true }));
  const level = centered ? sub(gradient, mean(gradient, -1, { keepDims: true })) : gradient;
  return sub(level, along);
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
  return applyAll(layerNormOperation, bias ? [x, weight, bias] : [x, weight], epsilon)[0];
}

/**
 * x / sqrt(mean(x^2) + epsilon) * weight, over the last axis.
 *
 * @param weight [width]
 * @throws ShapeError where it has not the width of x.
 */
export function rmsNorm(x: Tensor, weight: Tensor, { epsilon = 1e-5 }: NormOptions = {}): Tensor {
  checkWidth("rmsNorm", x, weight);
  return applyAll(rmsNormOperation, [x, weight], epsilon)[0];
}

function checkWidth(name: string, x: Tensor, vector: Tensor): void {
  for (const each of [x, vector]) checkType(name, each, "float32");
  if (vector.shape.length === 1 && sameShape(vector.shape, x.shape.slice(-1))) return;
  throw new ShapeError(
    `${name}: weight and bias must have the width of x ${showShape(x.shape)}, got ${showShape(vector.shape)}`,
  );
}
