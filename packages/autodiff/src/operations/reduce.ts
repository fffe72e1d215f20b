/** Reductions over axes; by default over all of them. */
import { axesOf } from "../shapes.ts";
import type { Shape, Tensor } from "../tensor.ts";
import { reshape, sumTo } from "./shape.ts";

/** Which axes a reduction is over: all where none are named; `keepDims` leaves them with size 1. */
export type Axes = number | readonly number[];
/** How a reduction gives its result. */
export interface ReduceOptions {
  readonly keepDims?: boolean;
}

/** The shape after a reduction. */
function reducedShape({ shape }: Tensor, axes: readonly number[], keepDims: boolean): Shape {
  return keepDims
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
}

/** The sum over axes. */
export function sum(x: Tensor, axes?: Axes, { keepDims = false }: ReduceOptions = {}): Tensor {
  const list = axesOf("sum", axes, x);
  return reshape(sumTo(x, reducedShape(x, list, true)), reducedShape(x, list, keepDims));
}
