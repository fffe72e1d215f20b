export type { Distribution } from "./distribution.ts";
export {
  ContextLengthError,
  DegenerateDistributionError,
  InvalidArgumentError,
  isProbsError,
  ModelFileError,
  ProbsError,
  type ProbsErrorCode,
  ResourceExhaustedError,
  ShapeError,
  UnsupportedError,
} from "./errors.ts";
export {
  argmax,
  entropy,
  klDivergence,
  logProbOf,
  logSoftmax,
  logSumExp,
  softmax,
  totalVariation,
} from "./kernels.ts";
export { type Matrix, row } from "./matrix.ts";
export type {
  DraftHead,
  ForwardOptions,
  HeadRow,
  LanguageModel,
  LogitRows,
  Sequence,
  TappedModel,
  TappedSequence,
  TreeSequence,
} from "./model.ts";
export { createRng, type Purpose, type Rng, type RngKey } from "./rng.ts";
export { logProbabilityOf, probabilityOf, sample, sampleGumbel, truncateLaw } from "./sampling.ts";
export { type ScoreOptions, scoreTokens } from "./score.ts";
export { topK } from "./top-k.ts";
export {
  checkSampling,
  defaultSampling,
  hasPenalties,
  penalize,
  processLogits,
  resolveSampling,
  type Sampling,
} from "./warpers.ts";
