export { AdjacencyMatrix } from "./adjacency-matrix.ts";
export { blockVerification } from "./block-verification.ts";
export { Calibration } from "./calibration.ts";
export { createCombination, createFirstOf, mergeTrees } from "./combination.ts";
export {
  crossVocabularyModel,
  mapVocabulary,
  type Pieces,
  type VocabularyMap,
} from "./cross-vocabulary.ts";
export {
  type ChildChoice,
  drawnChildren,
  likeliestChildren,
  withoutToken,
} from "./child-choice.ts";
export { bestThreshold, type Judged } from "./confidence-schedule.ts";
export { type Costs, costOf } from "./costs.ts";
export {
  createSchedule,
  type ScheduleConfig,
  scheduleConfig,
  type ScheduleOptions,
} from "./create-schedule.ts";
export { createDraftHead, type DraftHeadOptions } from "./draft-head.ts";
export { createDraftModel, type DraftModelOptions } from "./draft-model.ts";
export {
  createDraftModelTree,
  type DraftModelTreeConfig,
  draftModelTreeConfig,
  type DraftModelTreeOptions,
} from "./draft-model-tree.ts";
export type { DraftContext, Drafter, DraftLaw, DraftResult } from "./drafter.ts";
export { createForcedText, type ForcedTokens } from "./forced-text.ts";
export { createNgramCache } from "./ngram-cache.ts";
export { NgramCounts } from "./ngram-counts.ts";
export {
  createDySpec,
  type DySpecConfig,
  dySpecConfig,
  type DySpecOptions,
  growTree,
  growTreeLayered,
  observeSlots,
} from "./dyspec.ts";
export type { GenerateOptions, LogitsProcessor, TokenLogProb } from "./generate-options.ts";
export { generate, type Step, type Summary } from "./generate.ts";
export { chooseLength, chooseNodes, chooseTreeSize } from "./goodput-schedule.ts";
export { createDraftEnd, createTargetEnd, type DraftEnd, type TargetEnd } from "./pipeline-ends.ts";
export { pipelineSteps } from "./pipeline-steps.ts";
export {
  type PipelineTimes,
  simulateDsi,
  type SimulatedPipeline,
  simulatePearl,
} from "./pipeline-simulation.ts";
export {
  dsi,
  pearl,
  pipelineConfig,
  type PipelineOptions,
  type PipelineRound,
} from "./pipelined.ts";
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
  type LanternSettings,
  lanternSettings,
} from "./lantern.ts";
export {
  createLawModel,
  type LawHead,
  type LawModel,
  type LawOptions,
  type LawSequence,
  type NextLaws,
} from "./law-model.ts";
export type { Warn } from "./members.ts";
export { alignReference, type Alignment, createReferenceText } from "./reference-text.ts";
export { buildNeighbors, type NeighborTable, neighborTable } from "./neighbor-table.ts";
export {
  type RsdConfig,
  rsdConfig,
  rsdLaw,
  type RsdLaws,
  rsdLaws,
  type RsdOptions,
  rsdStep,
  type RsdToken,
  type RsdTrace,
  rsdTrace,
} from "./rsd.ts";
export {
  boxedAnswer,
  judgeTrace,
  selectTrace,
  surprise,
  surpriseOf,
  type TraceFault,
} from "./rsd-selection.ts";
export { sampleAndMatch } from "./sample-and-match.ts";
export type { RoundOutcome, Schedule } from "./schedule.ts";
export {
  bestFirstTree,
  chooseTree,
  fillTree,
  RankAcceptance,
  sequoiaTree,
  treeValue,
} from "./sequoia.ts";
export {
  type DrafterName,
  drafterNames,
  type LookupConfig,
  maxSpeculativeTokens,
  type ReadSpeculativeConfig,
  readSpeculativeConfig,
  type SpeculationConfig,
  speculationConfig,
} from "./speculation-config.ts";
export { speculativeSampling } from "./speculative-sampling.ts";
export { specInfer } from "./spec-infer.ts";
export type { Statistics } from "./statistics.ts";
export { createSuffixDrafter } from "./suffix-automaton.ts";
export {
  createSuffixDecoding,
  likeliestWalk,
  type SuffixDecodingConfig,
  suffixDecodingConfig,
  type Walk,
} from "./suffix-decoding.ts";
export { SuffixIndex, SuffixMatch } from "./suffix-index.ts";
export { SuffixStore } from "./suffix-store.ts";
export {
  encodePrompt,
  generateText,
  type GenerateTextOptions,
  streamText,
  type TextModel,
  type TextStep,
  type TextSummary,
} from "./text.ts";
export {
  createTokenRecycling,
  draftTree,
  learnText,
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
export { createVerifier, type VerifierName, verifiers } from "./verifiers.ts";
export {
  type DrawnSiblings,
  sampleWithoutReplacement,
  withoutReplacement,
} from "./without-replacement.ts";
