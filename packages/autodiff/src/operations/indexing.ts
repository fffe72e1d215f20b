/** Elements by their number: gather and the sums that undo it, one-hot, top-k. */
import { ShapeError } from "@veridraft/core-probs";
import { axisOf, checkType, productOf, sameShape } from "../shapes.ts";
import {
  apply,
  type Dim,
  noGradients,
  type Operation,
  scalar,
  showShape,
  type Tensor,
} from "../tensor.ts";
import { cast, equal } from "./select.ts";
import { broadcastTo, expandDims, transpose } from "./shape.ts";

const rangeOperation: Operation<Dim> = {
  name: "iota",
  infer: (_, size) => [{ dtype: "int32", shape: [size] }],
  vjp: noGradients,
  lower(lowering, _, { attributes: size }) {
    const [zero, one] = [0n, 1n].map((value) => lowering.constant(BigInt64Array.of(value), []));
    const end = lowering.node("Squeeze", [lowering.size(size)]);
    return [lowering.node("Cast", [lowering.node("Range", [zero, end, one])], { to: 6 })];
  },
};

/** [0, 1, ..., size - 1] as int32. */
export function iota(size: Dim): Tensor {
  return apply(rangeOperation, [], size);
}

/** 1 at the id and 0 elsewhere, as float32 [..., depth]; all 0 for an id outside of [0, depth). Has no gradient. */
export function oneHot(ids: Tensor, depth: Dim): Tensor {
  checkType("oneHot", ids, "int32");
  return cast(equal(expandDims(ids, -1), iota(depth)), "float32");
}

const gatherOperation: Operation<number> = {
  name: "gather",
  infer: ([table, ids], axis) => [
    { dtype: table.dtype, shape: table.shape.toSpliced(axis, 1, ...ids.shape) },
  ],
  vjp({ inputs: [table, ids], attributes: axis }, [gradient]) {
    const dy = gradient as Tensor;
    const size = table.shape[axis];
    if (axis === 0) return [scatterAdd(dy, ids, size), null];
    const own = ids.shape.map((_, i) => axis + i);
    const others = [...dy.shape.keys()].filter((i) => !own.includes(i));
    const sums = scatterAdd(transpose(dy, [...own, ...others]), ids, size);
    const order = [...sums.shape.keys()].slice(1);
    return [transpose(sums, order.toSpliced(axis, 0, 0)), null];
  },
  lower: (lowering, inputs, { attributes: axis }) => [lowering.node("Gather", inputs, { axis })],
};

/**
 * Rows of a table, by default: the axis gives place to the axes of `ids`. An id outside of the axis fails when the graph runs.
 *
 * @param ids int32 or int64.
 */
export function gather(table: Tensor, ids: Tensor, axis = 0): Tensor {
  checkType("gather", ids, "int32", "int64");
  return apply(gatherOperation, [table, ids], axisOf("gather", axis, table));
}

const scatterAddOperation: Operation<Dim> = {
  name: "scatterAdd",
  infer([updates, ids], size) {
    const rank = ids.shape.length;
    if (!sameShape(updates.shape.slice(0, rank), ids.shape)) {
      throw new ShapeError(
        `scatterAdd: updates ${showShape(updates.shape)} must begin with the axes of ids ${showShape(ids.shape)}`,
      );
    }
    return [{ dtype: "float32", shape: [size, ...updates.shape.slice(rank)] }];
  },
  vjp: ({ inputs: [, ids] }, [dy]) => [gather(dy as Tensor, ids), null],
  /**
   * ScatterElements, though ScatterND would be an order of magnitude faster: with several threads that loses sums of the same row. A product with a one-hot
   * matrix is slower from 512 rows on.
   */
  lower(lowering, [updates, ids], { inputs, outputs: [sums], attributes: size }) {
    const width = productOf(sums.shape.slice(1));
    const matrix = lowering.shape([productOf(inputs[1].shape), width]);
    const places = lowering.node("Reshape", [ids, lowering.integers(-1, 1)]);
    const zeros = lowering.node("ConstantOfShape", [lowering.shape([size, width])]);
    const result = lowering.node(
      "ScatterElements",
      [
        zeros,
        lowering.node("Expand", [places, matrix]),
        lowering.node("Reshape", [updates, matrix]),
      ],
      { axis: 0, reduction: "add" },
    );
    return [lowering.node("Reshape", [result, lowering.shape(sums.shape)])];
  },
};

/**
 * Sums of rows by id: row i of the result is the sum of `updates` where the id is i, 0 where it never is. An id outside of [0, size) is undefined.
 *
 * @param updates float32 [axes of ids, row].
 * @param size Rows of the result.
 * @throws ShapeError where the updates do not begin with the axes of `ids`.
 */
export function scatterAdd(updates: Tensor, ids: Tensor, size: Dim): Tensor {
  checkType("scatterAdd", updates, "float32");
  checkType("scatterAdd", ids, "int32", "int64");
  return apply(scatterAddOperation, [updates, ids], size);
}

const gatherAlongOperation: Operation<number> = {
  name: "gatherAlong",
  infer([x, ids], axis) {
    checkAlong("gatherAlong", x, ids, axis);
    return [{ dtype: x.dtype, shape: ids.shape }];
  },
  vjp: ({ inputs: [x, ids], attributes: axis }, [dy]) => [
    addAlong(broadcastTo(scalar(0), x.shape), dy as Tensor, ids, axis),
    null,
  ],
  lower: (lowering, inputs, { attributes: axis }) => [
    lowering.node("GatherElements", inputs, { axis }),
  ],
};

/** Picks elements along one axis: y[.., i, ..] = x[.., ids[.., i, ..], ..]. @throws ShapeError where other axes differ. */
export function gatherAlong(x: Tensor, ids: Tensor, axis = -1): Tensor {
  checkType("gatherAlong", ids, "int32", "int64");
  return apply(gatherAlongOperation, [x, ids], axisOf("gatherAlong", axis, x));
}

const addAlongOperation: Operation<number> = {
  name: "addAlong",
  infer([x, updates, ids], axis) {
    checkAlong("addAlong", x, ids, axis);
    checkAlong("addAlong", ids, updates, axis);
    return [x];
  },
  vjp: ({ inputs: [, , ids], attributes: axis }, [dy]) => [
    dy,
    gatherAlong(dy as Tensor, ids, axis),
    null,
  ],
  lower: (lowering, [x, updates, ids], { attributes: axis }) => [
    lowering.node("ScatterElements", [x, ids, updates], { axis, reduction: "add" }),
  ],
};

/** x with `updates` added to the elements that gatherAlong would pick. @throws ShapeError where other axes differ. */
export function addAlong(x: Tensor, updates: Tensor, ids: Tensor, axis = -1): Tensor {
  checkType("addAlong", updates, "float32");
  checkType("addAlong", ids, "int32", "int64");
  return apply(addAlongOperation, [x, updates, ids], axisOf("addAlong", axis, x));
}

function checkAlong(name: string, a: Tensor, b: Tensor, axis: number): void {
  if (sameShape(a.shape.toSpliced(axis, 1), b.shape.toSpliced(axis, 1))) return;
  throw new ShapeError(
    `${name}: shapes ${showShape(a.shape)} and ${showShape(b.shape)} must be equal but for axis ${axis}`,
  );
}

const topKOperation: Operation<number> = {
  name: "topK",
  infer: ([{ shape }], k) => [{ dtype: "int32", shape: [...shape.slice(0, -1), k] }],
  vjp: noGradients,
  lower(lowering, [x], { attributes: k }) {
    const [, places] = lowering.outputs("TopK", [x, lowering.integers(k)], 2);
    return [lowering.node("Cast", [places], { to: 6 })];
  },
};

/**
 * The k largest of the last axis, largest first, and where they stand (int32); equal ones in order. The values have gradients.
 *
 * @throws ShapeError for k outside of the axis.
 */
export function topK(x: Tensor, k: number): { readonly values: Tensor; readonly ids: Tensor } {
  const size = x.shape[axisOf("topK", -1, x)];
  if (!(Number.isInteger(k) && k >= 1 && (typeof size === "string" || k <= size))) {
    throw new ShapeError(
      `topK: k must be in [1, ${size}] for shape ${showShape(x.shape)}, got ${k}`,
    );
  }
  const ids = apply(topKOperation, [x], k);
  return { values: gatherAlong(x, ids), ids };
}
