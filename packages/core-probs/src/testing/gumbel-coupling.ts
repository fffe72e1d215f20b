import { argmax } from "../kernels.ts";

/**
 * The law of argmax_j(ln p[j] + g[j]) given that argmax_j(ln q[j] + g[j]) = first, where g is the same standard Gumbel noise in both.
 *
 * With E = exp(-g), standard exponentials, the argmax under q is the argmin of E / q. That it is i under q and j under p means E_k >= max(q_k /
 * q_i E_i, p_k / p_j E_j) for every k. Integrating the E_k, and then E_i for a fixed ratio s = E_j / E_i, leaves the integral of 1 / D(s)^2 over s
 * in [q_j / q_i, p_j / p_i] with D(s) = 1 + s + sum_k max(q_k / q_i, s p_k / p_j), which is linear between the points where a maximum turns over.
 *
 * @param q, p On the simplex, of equal length; q[first] > 0.
 */
export function gumbelCoupling(
  q: ArrayLike<number>,
  p: ArrayLike<number>,
  first: number,
): Float64Array {
  const law = new Float64Array(p.length);
  for (let j = 0; j < p.length; j++) {
    if (p[j] > 0) law[j] = jointMass(q, p, first, j) / q[first];
  }
  return law;
}

function jointMass(q: ArrayLike<number>, p: ArrayLike<number>, i: number, j: number): number {
  const others = Array.from(q, (_, k) => k).filter((k) => k !== i && k !== j);
  if (i === j) {
    let rate = 1;
    for (const k of others) rate += Math.max(q[k] / q[i], p[k] / p[i]);
    return 1 / rate;
  }
  const low = q[j] / q[i];
  const high = p[i] > 0 ? p[j] / p[i] : Infinity;
  if (low >= high) return 0;
  const rate = (s: number): number => {
    let sum = 1 + s;
    for (const k of others) sum += Math.max(q[k] / q[i], (s * p[k]) / p[j]);
    return sum;
  };
  const turns = others
    .filter((k) => p[k] > 0)
    .map((k) => (q[k] / q[i]) * (p[j] / p[k]))
    .filter((s) => s > low && s < high);
  const points = [low, ...turns.toSorted((a, b) => a - b)];
  let mass = 0;
  for (let at = 0; at < points.length; at++) {
    const end = points[at + 1] ?? high;
    if (end < Infinity) {
      mass += (end - points[at]) / (rate(points[at]) * rate(end));
    } else {
      let slope = 1;
      for (const k of others) slope += p[k] / p[j];
      mass += 1 / (slope * rate(points[at]));
    }
  }
  return mass;
}

/** softmax of logits in float64. */
export function lawOf(logits: ArrayLike<number>): Float64Array {
  const max = logits[argmax(logits)];
  const law = Float64Array.from(logits, (logit) => Math.exp(logit - max));
  let sum = 0;
  for (const mass of law) sum += mass;
  return law.map((mass) => mass / sum);
}
