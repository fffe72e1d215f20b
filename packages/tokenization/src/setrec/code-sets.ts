/** Items as discrete codes: a code for each token of their sets, without an order, or codes that refine each other. */
import { InvalidArgumentError, type Rng } from "@veridraft/core-probs";

/** Rounds of k-means. */
const rounds = 20;

/** Codes of vectors, and the centers that the codes stand for. */
export interface Codes {
  /** [vectors] */
  readonly codes: Int32Array;
  /** [codes, width] */
  readonly centers: Float32Array;
}

/**
 * k-means from distinct vectors that are drawn; a center that loses all its vectors stays where it is.
 *
 * @param vectors [n, width] @throws InvalidArgumentError for more codes than vectors.
 */
export function kMeans(vectors: Float32Array, width: number, codes: number, rng: Rng): Codes {
  const count = vectors.length / width;
  if (!(codes >= 1 && codes <= count)) {
    throw new InvalidArgumentError(`kMeans: codes must be in [1, ${count}], got ${codes}`);
  }
  const centers = new Float32Array(codes * width);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let c = 0; c < codes; c++) {
    const j = c + Math.floor(rng.uniform() * (count - c));
    [order[c], order[j]] = [order[j], order[c]];
    centers.set(vectors.subarray(order[c] * width, (order[c] + 1) * width), c * width);
  }
  const assigned = new Int32Array(count);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < count; i++) assigned[i] = nearest(vectors, i * width, width, centers);
    const sums = new Float64Array(codes * width);
    const sizes = new Int32Array(codes);
    for (let i = 0; i < count; i++) {
      sizes[assigned[i]]++;
      for (let d = 0; d < width; d++) sums[assigned[i] * width + d] += vectors[i * width + d];
    }
    for (let c = 0; c < codes; c++) {
      if (sizes[c] === 0) continue;
      for (let d = 0; d < width; d++) centers[c * width + d] = sums[c * width + d] / sizes[c];
    }
  }
  for (let i = 0; i < count; i++) assigned[i] = nearest(vectors, i * width, width, centers);
  return { codes: assigned, centers };
}

/** The center of least distance, the first of equal ones. */
function nearest(vectors: Float32Array, at: number, width: number, centers: Float32Array): number {
  let best = 0;
  let least = Infinity;
  for (let c = 0; c * width < centers.length; c++) {
    let distance = 0;
    for (let d = 0; d < width; d++) {
      const difference = vectors[at + d] - centers[c * width + d];
      distance += difference * difference;
    }
    if (distance < least) {
      least = distance;
      best = c;
    }
  }
  return best;
}

/** The set of an item as codes, one for each dimension of its tokens: by dimension, the codes of all items. */
export function discretize(
  dimensions: readonly Float32Array[],
  width: number,
  codes: number,
  rng: Rng,
): Int32Array[] {
  return dimensions.map((vectors) => kMeans(vectors, width, codes, rng).codes);
}

/** Codes that refine each other, level by level: each is of what the centers before leave of the vector. */
export function residualCodes(
  vectors: Float32Array,
  width: number,
  codes: number,
  levels: number,
  rng: Rng,
): Int32Array[] {
  const rest = Float32Array.from(vectors);
  return Array.from({ length: levels }, () => {
    const { codes: assigned, centers } = kMeans(rest, width, codes, rng);
    for (let i = 0; i < rest.length; i++) {
      rest[i] -= centers[assigned[Math.floor(i / width)] * width + (i % width)];
    }
    return assigned;
  });
}
