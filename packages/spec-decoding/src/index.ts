export { AdjacencyMatrix } from "./adjacency-matrix.ts";
export { blockVerification } from "./block-verification.ts";
export { Calibration } from "./calibration.ts";
export { createDraftModel, type DraftModelOptions } from "./draft-model.ts";
export {
  createDraftModelTree,
  type DraftModelTreeConfig,
  draftModelTreeConfig,
  type DraftModelTreeOptions,
} from "./draft-model-tree.ts";
export type { DraftContext, Drafter, DraftLaw, DraftResult } from "./drafter.ts";
export type { GenerateOptions, TokenLogProb } from "./generate-options.ts";
export { generate, type Step, type Summary } from "./generate.ts";
export {
  createPromptLookup,
  type PromptLookupConfig,
  promptLookupConfig,
} from "./prompt-lookup.ts";
export {
  type Aggregate,
  aggregate,
  createGreedyLantern,
  createLantern,
  type LanternConfig,
  lanternConfig,
} from "./lantern.ts";
export { buildNeighbors, type NeighborTable } from "./neighbor-table.ts";
export { sampleAndMatch } from "./sample-and-match.ts";
export {
  chooseLength,
  chooseNodes,
  costOf,
  type Costs,
  createSchedule,
  type RoundOutcome,
  type Schedule,
  type ScheduleConfig,
  scheduleConfig,
  type ScheduleOptions,
} from "./schedule.ts";
export { speculativeSampling } from "./speculative-sampling.ts";
export { specInfer } from "./spec-infer.ts";
export type { Statistics } from "./statistics.ts";
export { createSuffixDrafter } from "./suffix-automaton.ts";
export { SuffixIndex, SuffixMatch } from "./suffix-index.ts";
export { SuffixStore } from "./suffix-store.ts";
export {
  encodePrompt,
  generateText,
  type GenerateTextOptions,
  type TextModel,
  type TextStep,
  type TextSummary,
} from "./text.ts";
export {
  createTokenRecycling,
  draftTree,
  recycle,
  TR_TREE_80,
  treeFromChildCounts,
  type TreeTemplate,
} from "./token-recycling.ts";
export {
  bestChain,
  chain,
  checkTree,
  childrenOf,
  type DraftTree,
  emptyTree,
  isChain,
  isSampled,
  leafPaths,
  pathTo,
  selectNodes,
  treeDepths,
  treeMask,
} from "./tree.ts";
export {
  createThresholdAcceptance,
  type ThresholdAcceptanceConfig,
  thresholdAcceptanceConfig,
} from "./threshold-acceptance.ts";
export { traversalVerification } from "./traversal-verification.ts";
export {
  createTypicalAcceptance,
  type TypicalAcceptanceConfig,
  typicalAcceptanceConfig,
  typicalThreshold,
} from "./typical-acceptance.ts";
export type { Coupling, TargetLaw, Verdict, Verifier } from "./verifier.ts";
export { type VerifierName, verifiers } from "./verifiers.ts";
export {
  type DrawnSiblings,
  sampleWithoutReplacement,
  withoutReplacement,
} from "./without-replacement.ts";
