import {
  type Distribution,
  InvalidArgumentError,
  probabilityOf,
  type Rng,
  sample,
} from "@veridraft/core-probs";
import type { DraftTree } from "./tree.ts";

/** Less mass than this is rounding noise of float32 laws. */
const smallestMass = 1e-6;

/**
 * What rejections leave of a law: max(law - removed, 0), not normalized. Where the law is dense and what is removed is sparse, it costs the support
 * of what is removed and not the vocabulary. In float64, so that repeated removals stay exact.
 */
export interface Remainder {
  readonly law: Distribution;
  /** Ascending: every id whose mass may differ from the law's. */
  readonly ids: Int32Array;
  /** left[j] is the mass of ids[j]. */
  readonly left: Float64Array;
  /** The sum of all that is left; 1 before anything is removed. */
  readonly mass: number;
}

/** All of a law, which sums to 1. */
export function remainderOf(law: Distribution): Remainder {
  const { ids, probs } = law;
  return ids === null
    ? { law, ids: new Int32Array(0), left: new Float64Array(0), mass: 1 }
    : { law, ids, left: new Float64Array(probs), mass: 1 };
}

/** The probability of a token under the normalized remainder. */
export function remainingProbability(rest: Remainder, token: number): number {
  const place = placeOf(rest.ids, token);
  const mass = rest.ids[place] === token ? rest.left[place] : probabilityOf(rest.law, token);
  return mass / rest.mass;
}

/**
 * max(rest - weight * law, 0) for a law that is normalized here; `rest` itself where rounding noise would be all that is left, which a correct caller
 * reaches with no probability.
 *
 * @param weight At least 0. @example removeLaw(remainderOf(p), q, 1) // p = (.5, .3, .2), q = (.2, .5, .3): left (.3, 0, 0), mass .3
 */
export function removeLaw(rest: Remainder, law: Distribution, weight: number): Remainder {
  // A sparse law lists all its ids from the start.
  const { ids, left } =
    rest.law.ids === null && law.ids === null
      ? withAllIds(rest)
      : withIds(rest, rest.law.ids === null && law.ids !== null ? law.ids : []);
  const scale = weight / totalOf(law);
  let { mass } = rest;
  for (let j = 0, k = 0; j < ids.length; j++) {
    let removed = 0;
    if (law.ids === null) {
      removed = law.probs[ids[j]] ?? 0;
    } else {
      while (k < law.ids.length && law.ids[k] < ids[j]) k++;
      if (law.ids[k] === ids[j]) removed = law.probs[k];
    }
    const taken = Math.min(left[j], scale * removed);
    left[j] -= taken;
    mass -= taken;
  }
  return mass < smallestMass ? rest : { law: rest.law, ids, left, mass };
}

/** What is left once `token` has taken over the mass of the tokens `from`, which are others. */
export function moveMass(rest: Remainder, token: number, from: ArrayLike<number>): Remainder {
  const { ids, left } = withIds(rest, Int32Array.of(token, ...Array.from(from)).toSorted());
  const place = placeOf(ids, token);
  for (let i = 0; i < from.length; i++) {
    const source = placeOf(ids, from[i]);
    left[place] += left[source];
    left[source] = 0;
  }
  return { ...rest, ids, left };
}

/** Draws from the normalized remainder. */
export function drawRemainder(rest: Remainder, rng: Rng): number {
  const { law, ids, left } = rest;
  if (law.ids !== null) return ids[rng.categorical(left)];
  if (ids.length === 0) return sample(law, rng);
  const weights = new Float64Array(law.probs);
  ids.forEach((id, j) => (weights[id] = left[j]));
  return rng.categorical(weights);
}

/** The law that a node's token was drawn from; that of a chosen token has all its mass there. */
export function lawOfNode(tree: DraftTree, node: number): Distribution {
  return tree.laws[node] ?? { ids: tree.tokens.slice(node, node + 1), probs: Float32Array.of(1) };
}

/**
 * T(x) / R(x) for a node's token x, the law R it was drawn from and the remainder T at its parent.
 *
 * @throws InvalidArgumentError where R(x) is 0.
 */
export function acceptanceRatio(rest: Remainder, tree: DraftTree, node: number): number {
  const law = lawOfNode(tree, node);
  const drafted = probabilityOf(law, tree.tokens[node]) / totalOf(law);
  if (!(drafted > 0)) {
    throw new InvalidArgumentError(
      `verify: token ${tree.tokens[node]} of node ${node} was drafted with probability ${drafted}`,
    );
  }
  return remainingProbability(rest, tree.tokens[node]) / drafted;
}

/** A law of float32 sums to 1 only within rounding; it was drawn from as if it did. */
function totalOf({ probs }: Distribution): number {
  let total = 0;
  for (let j = 0; j < probs.length; j++) total += probs[j];
  return total;
}

/** The first place whose id is at least `token`. */
function placeOf(ids: Int32Array, token: number): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ids[middle] < token) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The same remainder with `extra`, which ascends, among its ids. Shares nothing with `rest` that a caller may change. */
function withIds(rest: Remainder, extra: ArrayLike<number>): Pick<Remainder, "ids" | "left"> {
  const ids = new Int32Array(rest.ids.length + extra.length);
  const left = new Float64Array(ids.length);
  let size = 0;
  for (let j = 0, k = 0; j < rest.ids.length || k < extra.length; size++) {
    const known = j < rest.ids.length && !(rest.ids[j] > extra[k]);
    const id = known ? rest.ids[j] : extra[k];
    ids[size] = id;
    left[size] = known ? rest.left[j++] : probabilityOf(rest.law, id);
    if (extra[k] === id) k++;
  }
  return { ids: ids.subarray(0, size), left: left.subarray(0, size) };
}

function withAllIds({ law, ids, left }: Remainder): Pick<Remainder, "ids" | "left"> {
  const all = new Float64Array(law.probs);
  ids.forEach((id, j) => (all[id] = left[j]));
  return { ids: Int32Array.from(all, (_, id) => id), left: all };
}
