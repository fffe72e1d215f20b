/**
 * The three-token pair of the speculative decoding baselines, as models. Laws depend on the last token: p() = (.5, .3, .2), p(0) = (.1, .6, .3), …
 * Token 3 stands for the empty context; token 4 is always followed by token 3, so that a prompt [4] leaves the empty context to a drafted round.
 */
import type { LanguageModel, TreeSequence } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";

export const targetRows = [
  [0.1, 0.6, 0.3, 0, 0],
  [0.4, 0.4, 0.2, 0, 0],
  [0.25, 0.25, 0.5, 0, 0],
  [0.5, 0.3, 0.2, 0, 0],
  [0, 0, 0, 1, 0],
];
export const draftRows = [
  [0.3, 0.3, 0.4, 0, 0],
  [0.6, 0.2, 0.2, 0, 0],
  [0.1, 0.7, 0.2, 0, 0],
  [0.2, 0.5, 0.3, 0, 0],
  [0, 0, 0, 1, 0],
];

export function toyTarget(): LanguageModel<TreeSequence> {
  return tableModel(targetRows);
}

export function toyDraft(): LanguageModel<TreeSequence> {
  return tableModel(draftRows);
}

/** Target law of the first two tokens, as in the baselines. */
export const twoTokenLaw: Record<string, number> = {
  "0,0": 0.05,
  "0,1": 0.3,
  "0,2": 0.15,
  "1,0": 0.12,
  "1,1": 0.12,
  "1,2": 0.06,
  "2,0": 0.05,
  "2,1": 0.05,
  "2,2": 0.1,
};
