/**
 * Heuristic schedule: drafts more after a round that was accepted whole, less after any other.
 *
 * Hugging Face Transformers, assisted generation (`num_assistant_tokens_schedule="heuristic"`).
 *
 * All accepted: n + 2; else n - 1, at least 1.
 *
 * Departures: a tree counts as accepted whole where its accepted path ends at a leaf; n has a largest value, and each generation starts anew (Transformers'
 * "heuristic_transient").
 */
import type { Calibration } from "./calibration.ts";
import type { Schedule } from "./schedule.ts";
import { childrenOf } from "./tree.ts";

/** From `first` nodes in the first round, 1 to `max`. @example 5, all accepted: 7, then not: 6 */
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
