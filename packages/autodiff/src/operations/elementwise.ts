/** Arithmetic element by element. Operands broadcast, and may be numbers. */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { broadcastShapes, checkType } from "../shapes.ts";
import {
  apply,
  type GraphNode,
  knownScalar,
  type Operation,
  scalar,
  type Tensor,
} from "../tensor.ts";
import { beforeBroadcast, sumTo } from "./shape.ts";

/** A tensor, or a number of the other operand's type. */
export type Operand = Tensor | number;

/** The tensors of two operands. @throws InvalidArgumentError where both are numbers, or their types differ. */
export function operandsOf(name: string, a: Operand, b: Operand): [Tensor, Tensor] {
  if (typeof a === "number" && typeof b === "number") {
    throw new InvalidArgumentError(
      `${name}: one operand must be a tensor, got the numbers ${a} and ${b}`,
    );
  }
  const type = (typeof a === "number" ? (b as Tensor) : a).dtype;
  const [x, y] = [a, b].map((each) => (typeof each === "number" ? scalar(each, type) : each));
  if (x.dtype !== y.dtype) {
    throw new InvalidArgumentError(
      `${name}: operands must have one type, got ${x.dtype} and ${y.dtype}; use cast`,
    );
  }
  return [beforeBroadcast(x, y), beforeBroadcast(y, x)];
}

type BinaryGradients = (a: Tensor, b: Tensor, gradient: Tensor, y: Tensor) => [Tensor, Tensor];

function binary(name: string, op: string, gradients: BinaryGradients): Operation<null> {
  return {
    name,
    infer: ([a, b]) => [{ dtype: a.dtype, shape: broadcastShapes(name, a.shape, b.shape) }],
    vjp({ inputs: [a, b], outputs: [y] }, [gradient]) {
      const [da, db] = gradients(a, b, gradient as Tensor, y);
      return [sumTo(da, a.shape), sumTo(db, b.shape)];
    },
    lower: (lowering, inputs) => [lowering.node(op, inputs)],
  };
}

type UnaryGradient = (x: Tensor, gradient: Tensor, y: Tensor) => Tensor;

/** An operation on one float32 tensor, and the function that applies it. */
export function unary(
  name: string,
  op: string,
  gradient: UnaryGradient | null,
): (x: Tensor) => Tensor {
  const operation: Operation<null> = {
    name,
    infer: ([x]) => [x],
    vjp: ({ inputs: [x], outputs: [y] }: GraphNode<null>, [dy]) => [
      gradient && gradient(x, dy as Tensor, y),
    ],
    lower: (lowering, inputs) => [lowering.node(op, inputs)],
  };
  return (x) => {
    checkType(name, x, "float32");
    return apply(operation, [x], null);
  };
}

const addOperation = binary("add", "Add", (_a, _b, dy) => [dy, dy]);
const subtractOperation = binary("sub", "Sub", (_a, _b, dy) => [dy, neg(dy)]);
const multiplyOperation = binary("mul", "Mul", (a, b, dy) => [mul(dy, b), mul(dy, a)]);
const divideOperation = binary("div", "Div", (_a, b, dy, y) => [
  div(dy, b),
  neg(mul(dy, div(y, b))),
]);

/** a + b */
export function add(a: Operand, b: Operand): Tensor {
  return apply(addOperation, operandsOf("add", a, b), null);
}

/** a - b */
export function sub(a: Operand, b: Operand): Tensor {
  return apply(subtractOperation, operandsOf("sub", a, b), null);
}

/** a * b */
export function mul(a: Operand, b: Operand): Tensor {
  const [x, y] = operandsOf("mul", a, b);
  if (knownScalar(x) === 1) return y;
  if (knownScalar(y) === 1) return x;
  return apply(multiplyOperation, [x, y], null);
}

/** a / b; integers round toward zero. */
export function div(a: Operand, b: Operand): Tensor {
  return apply(divideOperation, operandsOf("div", a, b), null);
}

/** -x */
export const neg: (x: Tensor) => Tensor = unary("neg", "Neg", (_, dy) => neg(dy));
/** e^x */
export const exp: (x: Tensor) => Tensor = unary("exp", "Exp", (_, dy, y) => mul(dy, y));
/** ln x: -Infinity at 0, NaN below. */
export const log: (x: Tensor) => Tensor = unary("log", "Log", (x, dy) => div(dy, x));
/** The root of x: NaN below 0. */
export const sqrt: (x: Tensor) => Tensor = unary("sqrt", "Sqrt", (_, dy, y) =>
  div(mul(dy, 0.5), y),
);
/** sin x */
export const sin: (x: Tensor) => Tensor = unary("sin", "Sin", (x, dy) => mul(dy, cos(x)));
/** cos x */
export const cos: (x: Tensor) => Tensor = unary("cos", "Cos", (x, dy) => neg(mul(dy, sin(x))));
/** |x|, with gradient 0 at 0. */
export const abs: (x: Tensor) => Tensor = unary("abs", "Abs", (x, dy) => mul(dy, sign(x)));
/** -1, 0 or 1; its gradient is 0 everywhere. */
export const sign: (x: Tensor) => Tensor = unary("sign", "Sign", null);
/** The nearest integer, the even one of two; has no gradient, see straightThrough. */
export const round: (x: Tensor) => Tensor = unary("round", "Round", null);
/** The largest integer that is not above x; has no gradient. */
export const floor: (x: Tensor) => Tensor = unary("floor", "Floor", null);
/** The error function. */
export const erf: (x: Tensor) => Tensor = unary("erf", "Erf", (x, dy) =>
  mul(mul(dy, 2 / Math.sqrt(Math.PI)), exp(neg(square(x)))),
);

/** x * x */
export function square(x: Tensor): Tensor {
  return mul(x, x);
}

const powerOperation: Operation<number> = {
  name: "pow",
  infer: ([x]) => [x],
  vjp: ({ inputs: [x], attributes: exponent }, [dy]) => [
    mul(mul(dy as Tensor, exponent), pow(x, exponent - 1)),
  ],
  lower: (lowering, [x], { attributes }) => [lowering.node("Pow", [x, lowering.float(attributes)])],
};

/** x to a constant power; NaN for a negative x and a power that is no integer. */
export function pow(x: Tensor, exponent: number): Tensor {
  checkType("pow", x, "float32");
  if (exponent === 0) return add(mul(x, 0), 1);
  return exponent === 1 ? x : apply(powerOperation, [x], exponent);
}
