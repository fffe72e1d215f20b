/** Parts of tensors and their joints: slice, pad, concat, split. */
import { ShapeError } from "@veridraft/core-probs";
import { axisOf, sameShape, sumOf } from "../shapes.ts";
import {
  apply,
  applyAll,
  type Dim,
  type Operation,
  type Shape,
  showShape,
  type Tensor,
} from "../tensor.ts";
import { mul } from "./elementwise.ts";

interface SliceRange {
  readonly axis: number;
  readonly start: number;
  /** null is the end of the axis. */
  readonly end: number | null;
  readonly size: Dim;
}

const sliceOperation: Operation<SliceRange> = {
  name: "slice",
  infer: ([{ dtype, shape }], { axis, size }) => [{ dtype, shape: shape.with(axis, size) }],
  vjp({ inputs: [{ shape }], attributes: { axis, start, end } }, [dy]) {
    const total = shape[axis];
    const after = end === null ? 0 : (total as number) - end;
    return [pad(dy as Tensor, axis, start, after)];
  },
  lower: (lowering, [x], { attributes: { axis, start, end } }) => [
    lowering.node("Slice", [
      x,
      lowering.integers(start),
      lowering.integers(end ?? 2 ** 31 - 1),
      lowering.integers(axis),
    ]),
  ],
};

/**
 * The elements [start, end) of an axis, by default to its end; negative ones count from the end.
 *
 * @throws ShapeError outside of the axis, and for an end in an axis whose size is known at run time only.
 */
export function slice(x: Tensor, axis: number, start: number, end?: number): Tensor {
  const at = axisOf("slice", axis, x);
  const total = x.shape[at];
  if (typeof total === "string") {
    if (start < 0 || end !== undefined) {
      throw new ShapeError(
        `slice: axis ${at} of ${showShape(x.shape)} has no known size; give a start >= 0 and no end, got ${start} and ${end}`,
      );
    }
    const size = start === 0 ? total : `${total}-${start}`;
    return apply(sliceOperation, [x], { axis: at, start, end: null, size });
  }
  const [from, to] = [start, end ?? total].map((place) => (place < 0 ? place + total : place));
  if (!(from >= 0 && from <= to && to <= total)) {
    throw new ShapeError(
      `slice: [${start}, ${end ?? total}) must lie within axis ${at} of ${showShape(x.shape)}`,
    );
  }
  if (from === 0 && to === total) return x;
  return apply(sliceOperation, [x], { axis: at, start: from, end: to, size: to - from });
}

interface Padding {
  readonly axis: number;
  readonly before: number;
  readonly after: number;
  readonly value: number;
}

const padOperation: Operation<Padding> = {
  name: "pad",
  infer: ([{ dtype, shape }], { axis, before, after }) => [
    { dtype, shape: shape.with(axis, paddedSize(shape[axis], before + after)) },
  ],
  vjp({ inputs: [{ shape }], attributes: { axis, before, after } }, [gradient]) {
    const dy = gradient as Tensor;
    const size = shape[axis];
    const end = typeof size === "number" ? before + size : undefined;
    if (end === undefined && after > 0) {
      throw new ShapeError(
        `pad: no gradient where an axis without known size is padded at its end, got ${showShape(shape)} and ${after}`,
      );
    }
    return [slice(dy, axis, before, end)];
  },
  lower: (lowering, [x], { attributes: { axis, before, after, value }, inputs: [{ dtype }] }) => [
    lowering.node("Pad", [
      x,
      lowering.integers(before, after),
      dtype === "int32" ? lowering.constant(Int32Array.of(value), []) : lowering.float(value),
      lowering.integers(axis),
    ]),
  ],
};

/** The size of a padded axis; what was sliced off a named size comes back. */
function paddedSize(size: Dim, added: number): Dim {
  if (typeof size === "string" && size.endsWith(`-${added}`)) {
    return size.slice(0, -String(added).length - 1);
  }
  return sumOf([size, added]);
}

/** Puts `before` and `after` elements of `value` around an axis. @throws ShapeError for negative counts. */
export function pad(x: Tensor, axis: number, before: number, after: number, value = 0): Tensor {
  if (!(before >= 0 && after >= 0)) {
    throw new ShapeError(`pad: counts must be >= 0, got ${before} and ${after}; use slice`);
  }
  if (before + after === 0) return x;
  return apply(padOperation, [x], { axis: axisOf("pad", axis, x), before, after, value });
}

const concatOperation: Operation<number> = {
  name: "concat",
  infer: ([first, ...rest], axis) => {
    for (const { shape } of rest) {
      if (sameShape(shape.toSpliced(axis, 1), first.shape.toSpliced(axis, 1))) continue;
      throw new ShapeError(
        `concat: shapes ${showShape(first.shape)} and ${showShape(shape)} must be equal but for axis ${axis}`,
      );
    }
    const size = sumOf([first, ...rest].map(({ shape }) => shape[axis]));
    return [{ dtype: first.dtype, shape: first.shape.with(axis, size) }];
  },
  vjp: ({ inputs, attributes: axis }, [dy]) =>
    split(
      dy as Tensor,
      inputs.map(({ shape }) => shape[axis]),
      axis,
    ),
  lower: (lowering, inputs, { attributes: axis }) => [lowering.node("Concat", inputs, { axis })],
};

/** Joins tensors along an axis. @throws ShapeError where other axes differ. */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  if (tensors.length === 1) return tensors[0];
  if (tensors.length === 0) throw new ShapeError("concat: at least one tensor is needed, got none");
  return apply(concatOperation, tensors, axisOf("concat", axis, tensors[0]));
}

const splitOperation: Operation<{ readonly sizes: Shape; readonly axis: number }> = {
  name: "split",
  infer: ([{ dtype, shape }], { sizes, axis }) =>
    sizes.map((size) => ({ dtype, shape: shape.with(axis, size) })),
  vjp: ({ outputs, attributes: { axis } }, gradients) => [
    concat(
      gradients.map((gradient, i) => gradient ?? mul(outputs[i], 0)),
      axis,
    ),
  ],
  lower: (lowering, [x], { attributes: { sizes, axis } }) =>
    lowering.outputs("Split", [x, lowering.shape(sizes)], sizes.length, { axis }),
};

/** Takes an axis apart. @param sizes Of the parts. @throws ShapeError where they are not the axis together. */
export function split(x: Tensor, sizes: Shape, axis: number): readonly Tensor[] {
  const at = axisOf("split", axis, x);
  if (sumOf(sizes) !== x.shape[at]) {
    throw new ShapeError(
      `split: sizes ${showShape(sizes)} must add up to axis ${at} of ${showShape(x.shape)}`,
    );
  }
  return sizes.length === 1 ? [x] : applyAll(splitOperation, [x], { sizes, axis: at });
}
