/** Reductions over axes, by default over all of them, and running sums. */
import { axesOf, axisOf, checkType, productOf } from "../shapes.ts";
import { apply, noGradients, type Operation, type Shape, sizeOf, type Tensor } from "../tensor.ts";
import { div, exp, mul, type Operand, sub } from "./elementwise.ts";
import { cast, equal } from "./select.ts";
import { broadcastTo, reshape } from "./shape.ts";

/** Which axes a reduction is over; negative ones count from the end. */
export type Axes = number | readonly number[];

/** How a reduction gives its result. */
export interface ReduceOptions {
  /** Leaves the axes with size 1. */
  readonly keepDims?: boolean;
}

interface Reduction {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

function reducedShape(shape: Shape, { axes, keepDims }: Reduction): Shape {
  return keepDims
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
}

/** @param gradient Its arguments broadcast with x, and its result shall. */
function reduction(
  name: string,
  op: string,
  gradient: (x: Tensor, y: Tensor, dy: Tensor, axes: readonly number[]) => Tensor,
): (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor {
  const operation: Operation<Reduction> = {
    name,
    infer: ([{ dtype, shape }], attributes) => [{ dtype, shape: reducedShape(shape, attributes) }],
    vjp({ inputs: [x], outputs: [y], attributes: { axes } }, [dy]) {
      const kept = reducedShape(x.shape, { axes, keepDims: true });
      const dx = gradient(x, reshape(y, kept), reshape(dy as Tensor, kept), axes);
      return [broadcastTo(dx, x.shape)];
    },
    lower: (lowering, [x], { attributes: { axes, keepDims } }) => [
      lowering.node(op, [x, lowering.integers(...axes)], { keepdims: keepDims ? 1 : 0 }),
    ],
  };
  return (x, axes, { keepDims = false } = {}) => {
    checkType(name, x, "float32", "int32");
    const list = axesOf(name, axes, x);
    return list.length === 0 ? x : apply(operation, [x], { axes: list, keepDims });
  };
}

/** Shares the gradient among the elements that are the extremum. */
function shareAmongEqual(x: Tensor, y: Tensor, dy: Tensor, axes: readonly number[]): Tensor {
  const chosen = cast(equal(x, y), "float32");
  return mul(div(dy, sum(chosen, axes, { keepDims: true })), chosen);
}

/** The sum over axes. */
export const sum: (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor = reduction(
  "sum",
  "ReduceSum",
  (_x, _y, dy) => dy,
);
/** The mean over axes. */
export const mean: (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor = reduction(
  "mean",
  "ReduceMean",
  (x, _y, dy, axes) => div(dy, countOf(x, axes)),
);
/** The largest over axes; equal ones share the gradient. */
export const max: (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor = reduction(
  "max",
  "ReduceMax",
  shareAmongEqual,
);
/** The smallest over axes; equal ones share the gradient. */
export const min: (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor = reduction(
  "min",
  "ReduceMin",
  shareAmongEqual,
);
/** ln of the sum of e^x over axes, without overflow; NaN where all are -Infinity. */
export const logSumExp: (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor = reduction(
  "logSumExp",
  "ReduceLogSumExp",
  (x, y, dy) => mul(exp(sub(x, y)), dy),
);

const countOperation: Operation<Shape> = {
  name: "count",
  infer: () => [{ dtype: "float32", shape: [] }],
  vjp: noGradients,
  lower(lowering, _, { attributes: sizes }) {
    const product = lowering.node("ReduceProd", [lowering.shape(sizes)], { keepdims: 0 });
    return [lowering.node("Cast", [product], { to: 1 })];
  },
};

/** How many elements the axes hold; a tensor where a size is known at run time only. */
function countOf({ shape }: Tensor, axes: readonly number[]): Operand {
  const sizes = axes.map((axis) => shape[axis]);
  return typeof productOf(sizes) === "number"
    ? sizeOf(sizes as number[])
    : apply(countOperation, [], sizes);
}

const argMaxOperation: Operation<number> = {
  name: "argMax",
  infer: ([{ shape }], axis) => [{ dtype: "int32", shape: shape.toSpliced(axis, 1) }],
  vjp: noGradients,
  lower(lowering, [x], { attributes: axis }) {
    const at = lowering.node("ArgMax", [x], { axis, keepdims: 0 });
    return [lowering.node("Cast", [at], { to: 6 })];
  },
};

/** Where the largest along an axis stands, the first of equal ones, as int32. Has no gradient. */
export function argMax(x: Tensor, axis = -1): Tensor {
  return apply(argMaxOperation, [x], axisOf("argMax", axis, x));
}

/** How a running sum goes. */
export interface CumsumOptions {
  /** An element is not part of its own sum. */
  readonly exclusive?: boolean;
  /** From the last to the first. */
  readonly reverse?: boolean;
}

const cumsumOperation: Operation<Required<CumsumOptions> & { readonly axis: number }> = {
  name: "cumsum",
  infer: ([x]) => [x],
  vjp: ({ attributes: { axis, exclusive, reverse } }, [dy]) => [
    cumsum(dy as Tensor, axis, { exclusive, reverse: !reverse }),
  ],
  lower: (lowering, [x], { attributes: { axis, exclusive, reverse } }) => [
    lowering.node("CumSum", [x, lowering.constant(BigInt64Array.of(BigInt(axis)), [])], {
      exclusive: exclusive ? 1 : 0,
      reverse: reverse ? 1 : 0,
    }),
  ],
};

/** Sums of all elements up to each along an axis. */
export function cumsum(
  x: Tensor,
  axis: number,
  { exclusive = false, reverse = false }: CumsumOptions = {},
): Tensor {
  return apply(cumsumOperation, [x], { axis: axisOf("cumsum", axis, x), exclusive, reverse });
}
