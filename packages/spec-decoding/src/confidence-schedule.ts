/**
 * Confidence schedule: drafts on while the draft is sure, by a threshold that follows what is accepted.
 *
 * Hugging Face Transformers, assisted generation (`assistant_confidence_threshold`, .4 by default, estimated anew from the ROC curve).
 *
 * Of the tested tokens' confidences the threshold is the one of least FPR + 3 FNR: the share of mismatches that pass, three times the share of matches
 * that do not.
 *
 * Departures: the drafter stops before it draws, by its likeliest token, where Transformers stops after a drawn token and keeps it; both are exact. The
 * last 512 tested tokens count.
 */
import type { Calibration } from "./calibration.ts";
import type { Schedule } from "./schedule.ts";
import { childrenOf } from "./tree.ts";

/** Tested nodes that the threshold is estimated from. */
const memory = 512;
/** Tested nodes before it is estimated at all. */
const fewest = 6;

/** How sure the draft was of a node, and whether the target agreed. */
export interface Judged {
  readonly confidence: number;
  readonly matched: boolean;
}

/**
 * The confidence, of those seen, from which on a draft should go on: it minimizes (share of mismatches that pass) + 3 (share of matches that do not),
 * as Hugging Face Transformers does; ties: the highest. `current` where all matched, or none.
 */
export function bestThreshold(judged: readonly Judged[], current: number): number {
  const matches = judged.filter(({ matched }) => matched).length;
  const mismatches = judged.length - matches;
  if (matches === 0 || mismatches === 0) return current;
  const falling = judged.toSorted((a, b) => b.confidence - a.confidence);
  let best = current;
  let least = Infinity;
  let hits = 0;
  let misses = 0;
  falling.forEach(({ confidence, matched }, i) => {
    if (matched) hits++;
    else misses++;
    if (falling[i + 1]?.confidence === confidence) return;
    const cost = misses / mismatches + 3 * (1 - hits / matches);
    if (cost < least) {
      least = cost;
      best = confidence;
    }
  });
  return best;
}

/**
 * Asks for `max` nodes, and for a stop before a draw that the draft is not sure of.
 *
 * @param max Most nodes of a round. @param threshold Before anything was tested.
 */
export function confidenceSchedule(
  max: number,
  threshold: number,
  calibration: Calibration,
): Schedule {
  let current = threshold;
  const judged: Judged[] = [];
  return {
    budget: () => max,
    confidenceThreshold: () => current,
    select: (tree) => tree,
    observe({ tree, path }) {
      calibration.observe(tree, path);
      for (let depth = 0; depth <= path.length; depth++) {
        for (const node of childrenOf(tree, depth === 0 ? -1 : path[depth - 1])) {
          const law = tree.laws[node];
          const confidence = law === null ? tree.confidences[node] : greatest(law.probs);
          judged.push({ confidence, matched: node === path[depth] });
        }
      }
      judged.splice(0, judged.length - memory);
      if (judged.length >= fewest) current = bestThreshold(judged, current);
    },
  };
}

/** The largest of some numbers in [0, 1]. */
export function greatest(probs: Float32Array): number {
  let most = 0;
  for (let j = 0; j < probs.length; j++) if (probs[j] > most) most = probs[j];
  return Math.min(1, most);
}
