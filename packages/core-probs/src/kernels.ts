/**
 * Kernels over one row of a vocabulary. A logit of -Infinity is masked: its probability is 0. Sums accumulate in float64. NaN is not looked for,
 * but a row without a finite maximum or with NaN in it is reported as degenerate wherever a sum would show it.
 */
import { DegenerateDistributionError, InvalidArgumentError, ShapeError } from "./errors.ts";
import { expNegative } from "./fast-math.ts";

/**
 * Index of the largest value. Ties: the lowest index. All masked: 0.
 *
 * @throws ShapeError for an empty row.
 */
export function argmax(values: ArrayLike<number>): number {
  if (values.length === 0) throw new ShapeError("argmax: the row is empty");
  let best = 0;
  let largest = values[0];
  for (let i = 1; i < values.length; i++) {
    if (values[i] > largest) {
      largest = values[i];
      best = i;
    }
  }
  return best;
}

/**
 * probs[i] = exp(logits[i] / temperature) / sum_j exp(logits[j] / temperature).
 *
 * @param temperature Above 0. @param out Where to write; may be `logits` itself.
 * @throws DegenerateDistributionError where all logits are masked or one is NaN.
 * @example softmax(Float32Array.of(0, Math.log(3), -Infinity)) // [0.25, 0.75, 0]
 */
export function softmax(
  logits: Float32Array,
  temperature = 1,
  out: Float32Array = new Float32Array(logits.length),
): Float32Array {
  if (!(temperature > 0)) {
    throw new InvalidArgumentError(`softmax: temperature must be above 0, got ${temperature}`);
  }
  if (out.length !== logits.length) {
    throw new ShapeError(`softmax: ${logits.length} logits but out holds ${out.length}`);
  }
  const max = logits[argmax(logits)];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const mass = expNegative((logits[i] - max) / temperature);
    out[i] = mass;
    sum += mass;
  }
  if (!(sum > 0)) throw degenerate("softmax", logits.length);
  const scale = 1 / sum;
  for (let i = 0; i < out.length; i++) out[i] *= scale;
  return out;
}

/**
 * ln sum_i exp(values[i]). All masked: -Infinity.
 *
 * @throws DegenerateDistributionError where a value is NaN or +Infinity.
 */
export function logSumExp(values: ArrayLike<number>): number {
  const max = values[argmax(values)];
  if (max === -Infinity) return max;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += expNegative(values[i] - max);
  if (!(sum > 0)) throw degenerate("logSumExp", values.length);
  return max + Math.log(sum);
}

/**
 * Natural log of softmax(logits); masked logits stay -Infinity.
 *
 * @throws DegenerateDistributionError where all logits are masked or one is NaN.
 */
export function logSoftmax(
  logits: Float32Array,
  out: Float32Array = new Float32Array(logits.length),
): Float32Array {
  if (out.length !== logits.length) {
    throw new ShapeError(`logSoftmax: ${logits.length} logits but out holds ${out.length}`);
  }
  const total = logSumExp(logits);
  if (total === -Infinity) throw degenerate("logSoftmax", logits.length);
  for (let i = 0; i < logits.length; i++) out[i] = logits[i] - total;
  return out;
}

/**
 * Natural log of the probability of one token under softmax(logits), without storing the row.
 *
 * @throws InvalidArgumentError for an id outside the row; DegenerateDistributionError where all logits are masked or one is NaN.
 */
export function logProbOf(logits: ArrayLike<number>, id: number): number {
  if (!(id >= 0 && id < logits.length)) {
    throw new InvalidArgumentError(`logProbOf: id must be in [0, ${logits.length}), got ${id}`);
  }
  const total = logSumExp(logits);
  if (total === -Infinity) throw degenerate("logProbOf", logits.length);
  return logits[id] - total;
}

/**
 * -sum p ln p in nats; 0 ln 0 = 0.
 *
 * @param probs On the simplex.
 */
export function entropy(probs: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < probs.length; i++) {
    if (probs[i] > 0) sum -= probs[i] * Math.log(probs[i]);
  }
  return sum;
}

/** KL(p || q) = sum p ln(p / q) in nats; 0 where p is 0, Infinity where p > 0 and q = 0. */
export function klDivergence(p: ArrayLike<number>, q: ArrayLike<number>): number {
  if (p.length !== q.length) {
    throw new ShapeError(`klDivergence: p has ${p.length} entries but q has ${q.length}`);
  }
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    if (p[i] > 0) sum += p[i] * Math.log(p[i] / q[i]);
  }
  return sum;
}

/** Total variation distance: half the sum of |p - q|, in [0, 1]. */
export function totalVariation(p: ArrayLike<number>, q: ArrayLike<number>): number {
  if (p.length !== q.length) {
    throw new ShapeError(`totalVariation: p has ${p.length} entries but q has ${q.length}`);
  }
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += Math.abs(p[i] - q[i]);
  return sum / 2;
}

function degenerate(name: string, length: number): DegenerateDistributionError {
  return new DegenerateDistributionError(
    `${name}: no mass in ${length} logits: all are masked, or one is NaN or +Infinity`,
  );
}
