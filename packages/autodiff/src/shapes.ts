/** Rules of shapes that operations share. */
import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";
import { type Dim, type DType, type Shape, showShape, type Tensor } from "./tensor.ts";

/**
 * The shape of an elementwise operation: axes are aligned at the end, and one of size 1 or that is not there takes the other's size.
 *
 * @throws ShapeError naming the operation and both shapes.
 */
export function broadcastShapes(name: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i): Dim => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new ShapeError(
      `${name}: shapes ${showShape(a)} and ${showShape(b)} do not broadcast, axis ${i - rank} is ${x} and ${y}; sizes must be equal or 1`,
    );
  });
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** An axis counted from the front. @throws ShapeError where there is none of that number. */
export function axisOf(name: string, axis: number, { shape }: { readonly shape: Shape }): number {
  const rank = shape.length;
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  throw new ShapeError(
    `${name}: axis must be an integer in [${-rank}, ${rank}) for shape ${showShape(shape)}, got ${axis}`,
  );
}

/** Several axes, counted from the front, in order; all where none are named. @throws ShapeError for one that is not there, or twice. */
export function axesOf(
  name: string,
  axes: number | readonly number[] | undefined,
  tensor: { readonly shape: Shape },
): number[] {
  if (axes === undefined) return tensor.shape.map((_, axis) => axis);
  const list = (typeof axes === "number" ? [axes] : axes).map((axis) => axisOf(name, axis, tensor));
  const sorted = list.toSorted((a, b) => a - b);
  if (new Set(sorted).size < sorted.length) {
    throw new ShapeError(`${name}: axes must differ, got ${showShape(list)}`);
  }
  return sorted;
}

/** @throws ShapeError where the tensor has not the rank. */
export function checkRank(name: string, what: string, { shape }: Tensor, rank: number): void {
  if (shape.length === rank) return;
  throw new ShapeError(
    `${name}: ${what} must have ${rank} axes, got shape ${showShape(shape)} of ${shape.length}`,
  );
}

/** @throws InvalidArgumentError for elements of another type. */
export function checkType(name: string, { dtype }: Tensor, ...types: readonly DType[]): void {
  if (types.includes(dtype)) return;
  throw new InvalidArgumentError(
    `${name}: elements must be ${types.join(" or ")}, got ${dtype}; use cast`,
  );
}

/**
 * The product of sizes: a number, or a name such as "2*batch*seq", equal for equal factors in any order.
 */
export function productOf(sizes: Shape): Dim {
  let number = 1;
  const names: string[] = [];
  for (const factor of sizes.flatMap((size) => String(size).split("*"))) {
    if (Number.isNaN(Number(factor))) names.push(factor);
    else number *= Number(factor);
  }
  if (names.length === 0 || number === 0) return number;
  return [...(number === 1 ? [] : [String(number)]), ...names.toSorted()].join("*");
}

/** The size that makes a product: `total` without the factors of `sizes`; null where it does not divide. */
export function quotientOf(total: Shape, sizes: Shape): Dim | null {
  const factors = (shape: Shape): string[] => String(productOf(shape)).split("*");
  const names = factors(total);
  let number = 1;
  for (const factor of factors(sizes)) {
    if (Number.isNaN(Number(factor))) {
      const at = names.indexOf(factor);
      if (at < 0) return null;
      names.splice(at, 1);
    } else number *= Number(factor);
  }
  const rest = names.filter((name) => Number.isNaN(Number(name)));
  const numbers = names.filter((name) => !Number.isNaN(Number(name))).map(Number);
  const numerator = numbers.reduce((product, factor) => product * factor, 1);
  const quotient = numerator / number;
  return Number.isInteger(quotient) ? productOf([quotient, ...rest]) : null;
}

/** A sum of sizes. @example sumOf([2, "past", "seq"]) // "2+past+seq" */
export function sumOf(sizes: Shape): Dim {
  const numbers = sizes.filter((size) => typeof size === "number");
  const names = sizes.filter((size) => typeof size === "string");
  const number = numbers.reduce((sum, size) => sum + size, 0);
  if (names.length === 0) return number;
  return [...(number === 0 ? [] : [number]), ...names].join("+");
}
