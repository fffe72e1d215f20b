/** Transforms of gradients and updates to put in a {@link chain}. */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { scaleInPlace, sumOfSquares } from "../kernels.ts";
import { leavesOf, type Params } from "../leaves.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/**
 * Scales gradients down to a Euclidean norm over all of them of at most `norm`. Where the norm is not finite, NaN shows in them.
 *
 * Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, arXiv:1211.5063.
 *
 * @throws InvalidArgumentError where `norm` is not above 0.
 */
export function clipByGlobalNorm(norm: number): Optimizer<Record<string, never>> {
  if (!(norm > 0)) {
    throw new InvalidArgumentError(`clipByGlobalNorm: norm must be above 0, got ${norm}`);
  }
  return {
    init: () => ({}),
    async update(grads, state) {
      const found = globalNorm(grads);
      if (!(found <= norm)) scale(grads, norm / found);
      return [grads, state];
    },
  };
}

/** Multiplies updates by `schedule(step)`, the first step being 0. */
export function scaleBySchedule(schedule: Schedule): Optimizer<{ readonly count: number }> {
  return {
    init: () => ({ count: 0 }),
    async update(updates, { count }) {
      scale(updates, schedule(count));
      return [updates, { count: count + 1 }];
    },
  };
}

/** The Euclidean norm over all arrays of a tree. */
export function globalNorm(tree: Params): number {
  let sum = 0;
  for (const { data } of leavesOf(tree).values()) sum += sumOfSquares(data as Float32Array);
  return Math.sqrt(sum);
}

function scale(tree: Params, factor: number): void {
  for (const { data } of leavesOf(tree).values()) scaleInPlace(data as Float32Array, factor);
}
