/** Training of drafts, on tensors of `@veridraft/autodiff`. */
import { eagle, medusa, smallModel } from "./draft-baselines.ts";
import { recurrentHead } from "./draft-head-training.ts";

export {
  type DraftKind,
  type DraftLogits,
  draftLoss,
  type HeadBatch,
  type HeadParams,
  type HeadSizes,
  recurrentHead,
  unroll,
} from "./draft-head-training.ts";
export {
  eagle,
  type EagleParams,
  medusa,
  type MedusaParams,
  smallModel,
  type SmallModelParams,
} from "./draft-baselines.ts";

/** Kinds of drafts by name: the one that is served, and those that it is compared with. */
export const draftKinds = { recurrent: recurrentHead, medusa, eagle, lm: smallModel } as const;
