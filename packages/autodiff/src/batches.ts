/** Batches that are functions of the step, so that a training that goes on at any step sees what it would have seen. */
import { InvalidArgumentError, type RngKey } from "@veridraft/core-probs";
import type { HostTensor } from "./runner.ts";
import type { HostData } from "./tensor.ts";

/**
 * Rows of a data set in batches, each epoch in an order of its own; a batch may end one epoch and begin the next.
 *
 * @param rows Rows of the data set. @param size Rows of a batch.
 * @returns For a step, the first being 0, the endless batches from there on, as indices.
 * @throws InvalidArgumentError where a count is no positive integer.
 */
export function shuffledRows(
  rows: number,
  size: number,
  key: RngKey,
): (step: number) => Generator<Int32Array, never> {
  checkCount("shuffledRows", "rows", rows);
  checkCount("shuffledRows", "size", size);
  return function* from(step) {
    let epoch = -1;
    let order = new Int32Array(0);
    for (let at = step * size; ; at += size) {
      const batch = new Int32Array(size);
      for (let i = 0; i < size; i++) {
        if (Math.floor((at + i) / rows) !== epoch) {
          epoch = Math.floor((at + i) / rows);
          order = permutation(rows, epoch, key);
        }
        batch[i] = order[(at + i) % rows];
      }
      yield batch;
    }
  };
}

/**
 * Random windows of a text.
 *
 * @param ids The text. @param size Windows of a batch. @param length Ids of a window.
 * @returns For a step, the first being 0, the endless batches from there on, int32 of shape [size, length].
 * @throws InvalidArgumentError where a count is no positive integer, or the text is shorter than a window.
 */
export function randomWindows(
  ids: ArrayLike<number>,
  size: number,
  length: number,
  key: RngKey,
): (step: number) => Generator<HostTensor, never> {
  checkCount("randomWindows", "size", size);
  checkCount("randomWindows", "length", length);
  if (ids.length < length) {
    throw new InvalidArgumentError(
      `randomWindows: a window has ${length} ids, but the text only ${ids.length}; shorten the window`,
    );
  }
  return function* from(step) {
    for (let at = step; ; at++) {
      const rng = key.at(at, "sample");
      const data = new Int32Array(size * length);
      for (let row = 0; row < size; row++) {
        const start = Math.floor(rng.uniform() * (ids.length - length + 1));
        for (let i = 0; i < length; i++) data[row * length + i] = ids[start + i];
      }
      yield { data, shape: [size, length] };
    }
  };
}

/** The given rows (entries of the first axis) of a tensor, in the order of `rows`. */
export function takeRows({ data, shape }: HostTensor, rows: ArrayLike<number>): HostTensor {
  const width = data.length / shape[0];
  const taken = new (data.constructor as new (length: number) => HostData)(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    taken.set(data.subarray(rows[i] * width, (rows[i] + 1) * width), i * width);
  }
  return { data: taken, shape: [rows.length, ...shape.slice(1)] };
}

/** Fisher and Yates. */
function permutation(count: number, epoch: number, key: RngKey): Int32Array<ArrayBuffer> {
  const rng = key.at(epoch, "sample");
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(rng.uniform() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function checkCount(owner: string, name: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value > 0)) {
    throw new InvalidArgumentError(`${owner}: ${name} must be a positive integer, got ${value}`);
  }
}
