import { InvalidArgumentError } from "@veridraft/core-probs";

/** Milliseconds of a forward by its number of rows: costs[rows]; costs[0] is not used. */
export type Costs = ArrayLike<number>;

/**
 * Cost of a forward of `rows` rows. One row costs what two do, since an engine runs at least two. Beyond the table it grows as at its end.
 *
 * @param costs At least three entries.
 */
export function costOf(costs: Costs, rows: number): number {
  const at = Math.max(2, rows);
  const last = costs.length - 1;
  if (at <= last) return costs[at];
  return costs[last] + (at - last) * Math.max(0, costs[last] - costs[last - 1]);
}

/** @throws InvalidArgumentError for fewer than three entries, or one that is not above 0. */
export function checkCosts(costs: Costs): void {
  const valid = costs.length >= 3 && Array.from(costs).every((ms, i) => i === 0 || ms > 0);
  if (!valid) {
    throw new InvalidArgumentError(
      `createSchedule: costs must hold at least 3 entries, above 0 after the first, got ${Array.from(costs).join(" ")}`,
    );
  }
}
