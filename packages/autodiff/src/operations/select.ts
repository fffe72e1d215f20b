/** Comparisons, logic on their results, and choices between values. */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { elementTypes } from "../onnx.ts";
import { broadcastShapes, checkType } from "../shapes.ts";
import { apply, type DType, noGradients, type Operation, scalar, type Tensor } from "../tensor.ts";
import { mul, type Operand, operandsOf } from "./elementwise.ts";
import { sumTo } from "./shape.ts";

function comparison(name: string, op: string): (a: Operand, b: Operand) => Tensor {
  const operation: Operation<null> = {
    name,
    infer: ([a, b]) => [{ dtype: "bool", shape: broadcastShapes(name, a.shape, b.shape) }],
    vjp: noGradients,
    lower: (lowering, inputs) => [lowering.node(op, inputs)],
  };
  return (a, b) => apply(operation, operandsOf(name, a, b), null);
}

/** Where a = b. */
export const equal: (a: Operand, b: Operand) => Tensor = comparison("equal", "Equal");
/** Where a < b. */
export const less: (a: Operand, b: Operand) => Tensor = comparison("less", "Less");
/** Where a <= b. */
export const lessEqual: (a: Operand, b: Operand) => Tensor = comparison("lessEqual", "LessOrEqual");
/** Where a > b. */
export const greater: (a: Operand, b: Operand) => Tensor = comparison("greater", "Greater");
/** Where a >= b. */
export const greaterEqual: (a: Operand, b: Operand) => Tensor = comparison(
  "greaterEqual",
  "GreaterOrEqual",
);
const and = comparison("logicalAnd", "And");
const or = comparison("logicalOr", "Or");

/** Where both hold. @throws InvalidArgumentError for tensors that are not of type bool. */
export function logicalAnd(a: Tensor, b: Tensor): Tensor {
  for (const each of [a, b]) checkType("logicalAnd", each, "bool");
  return and(a, b);
}

/** Where one holds, or both. @throws InvalidArgumentError for tensors that are not of type bool. */
export function logicalOr(a: Tensor, b: Tensor): Tensor {
  for (const each of [a, b]) checkType("logicalOr", each, "bool");
  return or(a, b);
}

const notOperation: Operation<null> = {
  name: "logicalNot",
  infer: ([x]) => [x],
  vjp: noGradients,
  lower: (lowering, inputs) => [lowering.node("Not", inputs)],
};

/** Where x does not hold. @throws InvalidArgumentError for a tensor that is not of type bool. */
export function logicalNot(x: Tensor): Tensor {
  checkType("logicalNot", x, "bool");
  return apply(notOperation, [x], null);
}

const whereOperation: Operation<null> = {
  name: "where",
  infer: ([condition, a, b]) => {
    const shape = broadcastShapes("where", a.shape, b.shape);
    return [{ dtype: a.dtype, shape: broadcastShapes("where", condition.shape, shape) }];
  },
  vjp({ inputs: [condition, a, b] }, [gradient]) {
    const dy = gradient as Tensor;
    return [null, sumTo(where(condition, dy, 0), a.shape), sumTo(where(condition, 0, dy), b.shape)];
  },
  lower: (lowering, inputs) => [lowering.node("Where", inputs)],
};

/** `a` where the condition holds, else `b`; all broadcast. @throws InvalidArgumentError for a condition that is not of type bool. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  checkType("where", condition, "bool");
  // Two numbers are float32.
  const [x, y] = operandsOf("where", typeof a === "number" ? scalarLike(a, b) : a, b);
  return apply(whereOperation, [condition, x, y], null);
}

function scalarLike(value: number, other: Operand): Tensor {
  return scalar(value, typeof other === "number" ? "float32" : other.dtype);
}

const castOperation: Operation<DType> = {
  name: "cast",
  infer: ([{ shape }], dtype) => [{ dtype, shape }],
  vjp: noGradients,
  lower: (lowering, [x], { attributes: dtype }) => [
    lowering.node("Cast", [x], { to: elementTypes[dtype] }),
  ],
};

/** Elements of another type: fractions are cut off, true is 1, and what is not 0 is true. Has no gradient. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply(castOperation, [x], dtype);
}

function extremum(name: string, op: string, wins: typeof less): Operation<null> {
  return {
    name,
    infer: ([a, b]) => [{ dtype: a.dtype, shape: broadcastShapes(name, a.shape, b.shape) }],
    vjp({ inputs: [a, b] }, [gradient]) {
      const dy = gradient as Tensor;
      const first = wins(a, b);
      return [sumTo(where(first, dy, 0), a.shape), sumTo(where(first, 0, dy), b.shape)];
    },
    lower: (lowering, inputs) => [lowering.node(op, inputs)],
  };
}

const maximumOperation = extremum("maximum", "Max", greaterEqual);
const minimumOperation = extremum("minimum", "Min", lessEqual);

/** The larger of a and b; where they are equal, the gradient is a's. */
export function maximum(a: Operand, b: Operand): Tensor {
  return apply(maximumOperation, operandsOf("maximum", a, b), null);
}

/** The smaller of a and b; where they are equal, the gradient is a's. */
export function minimum(a: Operand, b: Operand): Tensor {
  return apply(minimumOperation, operandsOf("minimum", a, b), null);
}

const clipOperation: Operation<readonly [number, number]> = {
  name: "clip",
  infer: ([x]) => [x],
  vjp({ inputs: [x], attributes: [low, high] }, [dy]) {
    const inside = logicalAnd(greaterEqual(x, low), lessEqual(x, high));
    return [mul(dy as Tensor, cast(inside, "float32"))];
  },
  lower: (lowering, [x], { attributes: [low, high] }) => [
    lowering.node("Clip", [x, lowering.float(low), lowering.float(high)]),
  ],
};

/** x within [low, high]; its gradient is 0 outside. @throws InvalidArgumentError where low > high. */
export function clip(x: Tensor, low: number, high: number): Tensor {
  checkType("clip", x, "float32");
  if (!(low <= high))
    throw new InvalidArgumentError(`clip: low must be <= high, got ${low} and ${high}`);
  return apply(clipOperation, [x], [low, high]);
}
