/** Operations that move elements or repeat them: reshape, transpose, broadcast, and the sum that undoes a broadcast. */
import { ShapeError } from "@veridraft/core-probs";
import { axesOf, axisOf, broadcastShapes, productOf, quotientOf, sameShape } from "../shapes.ts";
import { apply, type Operation, type Shape, showShape, type Tensor } from "../tensor.ts";

const reshapeOperation: Operation<Shape> = {
  name: "reshape",
  infer: ([{ dtype }], shape) => [{ dtype, shape }],
  vjp: ({ inputs: [x] }, [gradient]) => [reshape(gradient as Tensor, x.shape)],
  lower(lowering, [x], { attributes: shape }) {
    const unknown = shape.filter((size) => !lowering.hasSize(size));
    const named = shape.filter((size) => typeof size === "string");
    // One size may be left to the runtime.
    const left = unknown[0] ?? (named.length === 1 ? named[0] : undefined);
    return [
      lowering.node("Reshape", [
        x,
        lowering.shape(shape.map((size) => (size === left ? -1 : size))),
      ]),
    ];
  },
};

/**
 * The same elements in another shape.
 *
 * @param shape One size may be -1: what is left.
 * @throws ShapeError where it holds another number of elements.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.filter((size) => size !== -1);
  const rest = quotientOf(x.shape, known);
  const full = shape.map((size) => (size === -1 && rest !== null ? rest : size));
  if (rest === null || productOf(full) !== productOf(x.shape) || known.length < shape.length - 1) {
    throw new ShapeError(
      `reshape: shape ${showShape(x.shape)} cannot become ${showShape(shape)}; the numbers of elements must be equal, and at most one size -1`,
    );
  }
  if (sameShape(x.shape, full)) return x;
  const { node } = x;
  const source = node.operation === (reshapeOperation as Operation) ? node.inputs[0] : x;
  return sameShape(source.shape, full) ? source : apply(reshapeOperation, [source], full);
}

/** Puts an axis of size 1 before `axis` (counted in the result). */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = axisOf("expandDims", axis, { shape: [...x.shape, 1] });
  return reshape(x, x.shape.toSpliced(at, 0, 1));
}

/** Takes an axis of size 1 away. @throws ShapeError where it has another size. */
export function squeeze(x: Tensor, axis: number): Tensor {
  return reshape(x, x.shape.toSpliced(axisOf("squeeze", axis, x), 1));
}

const transposeOperation: Operation<readonly number[]> = {
  name: "transpose",
  infer: ([{ dtype, shape }], order) => [{ dtype, shape: order.map((axis) => shape[axis]) }],
  vjp: ({ attributes: order }, [gradient]) => [
    transpose(
      gradient as Tensor,
      order.map((_, axis) => order.indexOf(axis)),
    ),
  ],
  lower: (lowering, [x], { attributes }) => [lowering.node("Transpose", [x], { perm: attributes })],
};

/**
 * Axes in another order: axis i of the result is axis `order[i]` of `x`. By default the last two change places.
 *
 * @throws ShapeError where `order` is not each axis once.
 */
export function transpose(x: Tensor, order?: readonly number[]): Tensor {
  const rank = x.shape.length;
  const axes = order ?? [...x.shape.keys()].slice(0, -2).concat(rank - 1, rank - 2);
  if (axes.length !== rank || axesOf("transpose", axes, x).length !== rank) {
    throw new ShapeError(
      `transpose: the order must name each of the ${rank} axes of ${showShape(x.shape)} once, got ${showShape(axes)}`,
    );
  }
  const places = axes.map((axis) => axisOf("transpose", axis, x));
  const { node } = x;
  if (node.operation === (transposeOperation as Operation)) {
    const inner = node.attributes as readonly number[];
    const both = places.map((axis) => inner[axis]);
    return both.every((axis, i) => axis === i)
      ? node.inputs[0]
      : apply(transposeOperation, [node.inputs[0]], both);
  }
  return places.every((axis, i) => axis === i) ? x : apply(transposeOperation, [x], places);
}

const broadcastOperation: Operation<Shape> = {
  name: "broadcastTo",
  infer: ([{ dtype }], shape) => [{ dtype, shape }],
  vjp: ({ inputs: [x] }, [gradient]) => [sumTo(gradient as Tensor, x.shape)],
  lower: (lowering, [x], { attributes }) => [
    lowering.node("Expand", [x, lowering.shape(attributes)]),
  ],
};

/** Repeats axes of size 1 to fill a shape. @throws ShapeError where that needs more than repeating. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape)) {
    throw new ShapeError(
      `broadcastTo: shape ${showShape(x.shape)} cannot become ${showShape(shape)}; only axes of size 1 repeat`,
    );
  }
  return apply(broadcastOperation, [x], shape);
}

/** What a broadcast repeats, where an elementwise operation with `other` repeats it all the same; else `x`. */
export function beforeBroadcast(x: Tensor, other: Tensor): Tensor {
  if (x.node.operation !== (broadcastOperation as Operation)) return x;
  const [source] = x.node.inputs;
  return sameShape(broadcastShapes("broadcastTo", source.shape, other.shape), x.shape) ? source : x;
}

const sumToOperation: Operation<Shape> = {
  name: "sumTo",
  infer: ([{ dtype }], shape) => [{ dtype, shape }],
  vjp: ({ inputs: [x] }, [gradient]) => [broadcastTo(gradient as Tensor, x.shape)],
  lower(lowering, [x], { inputs: [{ shape: from }], attributes: shape }) {
    const extra = from.length - shape.length;
    const axes = [...from.keys()].filter((i) => i < extra || from[i] !== shape[i - extra]);
    const onlyExtra = axes.length === extra;
    const keepdims = onlyExtra ? 0 : 1;
    const sum = lowering.node("ReduceSum", [x, lowering.integers(...axes)], { keepdims });
    if (onlyExtra || extra === 0) return [sum];
    const leading = lowering.integers(...Array.from({ length: extra }, (_, i) => i));
    return [lowering.node("Squeeze", [sum, leading])];
  },
};

/** Sums over what a broadcast from `shape` would repeat. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply(sumToOperation, [x], shape);
}
