import type { Calibration } from "./calibration.ts";
import type { Schedule } from "./schedule.ts";

/** The same number of nodes every round. */
export function constantSchedule(tokens: number, calibration: Calibration): Schedule {
  return {
    budget: () => tokens,
    confidenceThreshold: () => 0,
    select: (tree) => tree,
    observe: ({ tree, path }) => calibration.observe(tree, path),
  };
}
