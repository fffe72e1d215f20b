import { InvalidArgumentError } from "./errors.ts";

/**
 * Ids of the `k` largest values, largest first. Ties: the lowest id first. Masked values (-Infinity) are never chosen, so that fewer than `k` ids
 * come back where fewer are unmasked. O(V + k log k) on rows in no particular order: a heap of the best k, whose worst is the threshold.
 *
 * @throws InvalidArgumentError where k is not an integer of at least 0.
 * @example topK([1, 5, 3, 5], 3) // [1, 3, 2]
 */
export function topK(values: ArrayLike<number>, k: number): Int32Array {
  if (!Number.isInteger(k) || k < 0) {
    throw new InvalidArgumentError(`topK: k must be an integer of at least 0, got ${k}`);
  }
  const heap = new Int32Array(Math.min(k, values.length));
  let size = 0;
  let i = 0;
  for (; i < values.length && size < heap.length; i++) {
    if (values[i] > -Infinity) heap[size++] = i;
  }
  for (let j = (size >> 1) - 1; j >= 0; j--) siftDown(heap, j, size, values);
  let threshold = size > 0 ? values[heap[0]] : Infinity;
  for (; i < values.length; i++) {
    if (values[i] > threshold) {
      heap[0] = i;
      siftDown(heap, 0, size, values);
      threshold = values[heap[0]];
    }
  }
  for (let end = size - 1; end > 0; end--) {
    const worst = heap[0];
    heap[0] = heap[end];
    heap[end] = worst;
    siftDown(heap, 0, end, values);
  }
  return size < heap.length ? heap.slice(0, size) : heap;
}

/** The heap's root is the worst id: the smallest value, of equal ones the highest id. */
function siftDown(heap: Int32Array, at: number, size: number, values: ArrayLike<number>): void {
  const id = heap[at];
  for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && worse(heap[child + 1], heap[child], values)) child++;
    if (!worse(heap[child], id, values)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = id;
}

function worse(a: number, b: number, values: ArrayLike<number>): boolean {
  return values[a] < values[b] || (values[a] === values[b] && a > b);
}
