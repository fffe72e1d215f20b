/** Truncations of a law, on unnormalized masses. Where a set is taken by mass, only the part around its border is ever sorted. */
import { expNegative } from "./fast-math.ts";

/** Tokens that are still possible. */
export interface Candidates {
  /** Ascending. */
  readonly ids: Int32Array;
  /** (largest logit - logit) / temperature, at least 0. */
  readonly distances: Float64Array;
  /** exp(-distance), so that the likeliest token has mass 1; above 0. */
  readonly masses: Float64Array;
}

/**
 * The unmasked tokens among `ids` (ascending; null for all), with their masses and the mass of all.
 *
 * @param share Tokens that are too far from the likeliest to be in the smallest set of this share of the mass may be left out; 1 leaves out none.
 */
export function candidates(
  logits: Float32Array,
  max: number,
  temperature: number,
  ids: Int32Array | null,
  share = 1,
): Candidates & { readonly total: number } {
  const count = ids === null ? logits.length : ids.length;
  // Beyond it, all together have less mass than the set may leave out: each has less than (1 - share) / count of the likeliest's.
  const reach = Math.log(count) - Math.log1p(-share);
  let total = 0;
  let near = 0;
  for (let j = 0; j < count; j++) {
    const distance = (max - logits[ids === null ? j : ids[j]]) / temperature;
    total += expNegative(-distance);
    if (distance <= reach) near++;
  }
  const kept = new Int32Array(near);
  const distances = new Float64Array(near);
  const masses = new Float64Array(near);
  let size = 0;
  for (let j = 0; j < count; j++) {
    const id = ids === null ? j : ids[j];
    const distance = (max - logits[id]) / temperature;
    if (!(distance <= reach)) continue;
    const mass = expNegative(-distance);
    if (mass === 0) continue;
    kept[size] = id;
    distances[size] = distance;
    masses[size++] = mass;
  }
  return {
    ids: kept.subarray(0, size),
    distances: distances.subarray(0, size),
    masses: masses.subarray(0, size),
    total,
  };
}

/**
 * The smallest set of likeliest tokens whose share of the mass is at least `share`; at least one token. Ties: lowest ids.
 *
 * @param total The mass of all, also of those that are not among the candidates.
 */
export function keepTopP(all: Candidates, share: number, total: number): Candidates {
  const cut = massCut(all.distances, all.masses, share * total);
  return filter(all, (j) => {
    const distance = all.distances[j];
    return distance < cut.key || (distance === cut.key && j <= cut.index);
  });
}

/** Tokens of at least `fraction` times the largest mass. */
export function keepMinP(all: Candidates, fraction: number): Candidates {
  return filter(all, (j) => all.masses[j] >= fraction);
}

/** Tokens in order of |surprise - entropy| until `share` of the mass is reached, with all that tie at the border. */
export function keepTypical(all: Candidates, share: number): Candidates {
  const total = sum(all.masses);
  const logTotal = Math.log(total);
  let entropy = 0;
  for (let j = 0; j < all.masses.length; j++) {
    entropy += (all.masses[j] / total) * (all.distances[j] + logTotal);
  }
  const keys = all.distances.map((distance) => Math.abs(distance + logTotal - entropy));
  const cut = massCut(keys, all.masses, share * total);
  return filter(all, (j) => keys[j] <= cut.key);
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function filter(all: Candidates, keep: (j: number) => boolean): Candidates {
  const ids = new Int32Array(all.ids.length);
  const distances = new Float64Array(all.ids.length);
  const masses = new Float64Array(all.ids.length);
  let size = 0;
  for (let j = 0; j < all.ids.length; j++) {
    if (!keep(j)) continue;
    ids[size] = all.ids[j];
    distances[size] = all.distances[j];
    masses[size++] = all.masses[j];
  }
  return {
    ids: ids.subarray(0, size),
    distances: distances.subarray(0, size),
    masses: masses.subarray(0, size),
  };
}

const bins = 1024;

/**
 * Where a scan in ascending order of (key, index) first reaches the mass `target`: the last entry it takes. Instead of sorting, counts mass in
 * bins of keys and looks closer only at the bin in which the target is reached.
 */
function massCut(
  keys: Float64Array,
  masses: Float64Array,
  target: number,
): { key: number; index: number } {
  const pool = new Int32Array(keys.length);
  for (let j = 0; j < pool.length; j++) pool[j] = j;
  const binMass = new Float64Array(bins);
  let size = pool.length;
  let before = 0;
  for (;;) {
    let min = Infinity;
    let max = -Infinity;
    for (let i = 0; i < size; i++) {
      const key = keys[pool[i]];
      if (key < min) min = key;
      if (key > max) max = key;
    }
    const scale = bins / (max - min);
    if (size <= 64 || !(scale < Infinity)) break;
    binMass.fill(0);
    for (let i = 0; i < size; i++) {
      binMass[binOf(keys[pool[i]], min, scale)] += masses[pool[i]];
    }
    let bin = 0;
    while (bin < bins - 1 && before + binMass[bin] < target) before += binMass[bin++];
    let kept = 0;
    for (let i = 0; i < size; i++) {
      if (binOf(keys[pool[i]], min, scale) === bin) pool[kept++] = pool[i];
    }
    size = kept;
  }
  const border = pool.subarray(0, size).toSorted((a, b) => keys[a] - keys[b] || a - b);
  let last = border[0];
  for (const j of border) {
    last = j;
    before += masses[j];
    if (before >= target) break;
  }
  return { key: keys[last], index: last };
}

function binOf(key: number, min: number, scale: number): number {
  const bin = ((key - min) * scale) | 0;
  return bin < bins ? bin : bins - 1;
}
