import type { Calibration } from "./calibration.ts";
import type { Schedule } from "./schedule.ts";
import { childrenOf } from "./tree.ts";

/**
 * Two nodes more after a round that accepted down to a leaf, one less after any other, from 1 to `max`: the schedule "heuristic" of assisted generation
 * in Hugging Face Transformers.
 *
 * @param first Nodes of the first round. @example 5, all accepted: 7, then not: 6
 */
export function heuristicSchedule(first: number, max: number, calibration: Calibration): Schedule {
  let tokens = Math.min(first, max);
  return {
    budget: () => tokens,
    confidenceThreshold: () => 0,
    select: (tree) => tree,
    observe({ tree, path, drafted }) {
      calibration.observe(tree, path);
      if (drafted === 0) return;
      const leaf = childrenOf(tree, path.length === 0 ? -1 : path[path.length - 1]).length === 0;
      tokens = leaf ? Math.min(max, tokens + 2) : Math.max(1, tokens - 1);
    },
  };
}
