import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";
import { z } from "zod";

/** The nearest other codes of every code, nearest first. */
export interface NeighborTable {
  readonly size: number;
  readonly k: number;
  /** [size, k] */
  readonly ids: Int32Array;
}

/** A {@link NeighborTable} as JSON has it. */
export const neighborTable = z
  .strictObject({
    size: z.int().min(1).describe("Codes of the codebook."),
    k: z.int().min(0).describe("Neighbors of a code."),
    ids: z.array(z.int().min(0)).describe("[size, k] codes, nearest first."),
  })
  .refine(({ size, k, ids }) => ids.length === size * k && ids.every((id) => id < size), {
    message: "ids must be size x k codes below size",
  })
  .transform(({ size, k, ids }): NeighborTable => ({ size, k, ids: Int32Array.from(ids) }));

/**
 * The k nearest other codes by Euclidean distance; ties: lowest id. O(size^2 dim).
 *
 * @param codebook [size, dim] @throws ShapeError, InvalidArgumentError where k is not in [0, size - 1].
 */
export function buildNeighbors(
  codebook: Float32Array,
  size: number,
  dim: number,
  k: number,
): NeighborTable {
  if (codebook.length !== size * dim) {
    throw new ShapeError(`buildNeighbors: ${codebook.length} numbers are not [${size}, ${dim}]`);
  }
  if (!(Number.isInteger(k) && k >= 0 && k < size)) {
    throw new InvalidArgumentError(`buildNeighbors: k must be in [0, ${size - 1}], got ${k}`);
  }
  const ids = new Int32Array(size * k);
  const distances = new Float64Array(size);
  for (let x = 0; x < size; x++) {
    for (let y = 0; y < size; y++) {
      let sum = 0;
      for (let d = 0; d < dim; d++) sum += (codebook[x * dim + d] - codebook[y * dim + d]) ** 2;
      distances[y] = sum;
    }
    const others = Int32Array.from(distances, (_, y) => y).filter((y) => y !== x);
    others.sort((a, b) => distances[a] - distances[b] || a - b);
    ids.set(others.subarray(0, k), x * k);
  }
  return { size, k, ids };
}
