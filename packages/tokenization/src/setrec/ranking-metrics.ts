/** How good a ranking of items is. */
import { InvalidArgumentError } from "@veridraft/core-probs";

function check(caller: string, gold: ReadonlySet<number>, k: number): void {
  if (gold.size === 0)
    throw new InvalidArgumentError(`${caller}: needs at least one right item, got none`);
  if (!(Number.isInteger(k) && k > 0)) {
    throw new InvalidArgumentError(`${caller}: k must be a positive integer, got ${k}`);
  }
}

/** The share of the right items among the first k. @throws InvalidArgumentError for no right item, or a k below 1. */
export function recallAtK(ranked: ArrayLike<number>, gold: ReadonlySet<number>, k: number): number {
  check("recallAtK", gold, k);
  let hits = 0;
  for (let i = 0; i < Math.min(k, ranked.length); i++) if (gold.has(ranked[i])) hits++;
  return hits / gold.size;
}

/**
 * The sum of 1 / log2(rank + 1) over the right items among the first k, as a share of the largest possible.
 *
 * @throws InvalidArgumentError for no right item, or a k below 1.
 */
export function ndcgAtK(ranked: ArrayLike<number>, gold: ReadonlySet<number>, k: number): number {
  check("ndcgAtK", gold, k);
  let gain = 0;
  let ideal = 0;
  for (let i = 0; i < k; i++) {
    const discount = 1 / Math.log2(i + 2);
    if (i < ranked.length && gold.has(ranked[i])) gain += discount;
    if (i < gold.size) ideal += discount;
  }
  return gain / ideal;
}
