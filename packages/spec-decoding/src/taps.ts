import {
  type LanguageModel,
  row,
  type TappedModel,
  type TappedSequence,
  type TreeSequence,
  UnsupportedError,
} from "@veridraft/core-probs";
import type { Drafter } from "./drafter.ts";

/** A sequence of the target, and the hidden states that a drafter wants of it. */
export interface OpenedTarget {
  readonly sequence: TreeSequence;
  /** The hidden states of a row of the last forward; undefined where none are wanted. */
  tapsOf(row: number): Float32Array | undefined;
}

/**
 * Opens a sequence that gives what the drafter begins with.
 *
 * @throws UnsupportedError where the drafter wants hidden states that the model does not give.
 */
export async function openTarget(
  model: LanguageModel<TreeSequence>,
  drafter: Drafter | null,
): Promise<OpenedTarget> {
  const wanted = drafter?.tapWidth ?? 0;
  if (wanted === 0) return { sequence: await model.open(), tapsOf: () => undefined };
  const given = "tapWidth" in model ? (model as TappedModel).tapWidth : 0;
  if (given !== wanted) {
    throw new UnsupportedError(
      `generate: the drafter ${drafter?.name} begins with hidden states of width ${wanted}, and the model gives ${given === 0 ? "none" : `those of width ${given}`}; draft with the head of this model, or without one`,
    );
  }
  const sequence: TappedSequence = await (model as TappedModel).openTapped();
  return { sequence, tapsOf: (index) => row(sequence.taps, index) };
}
