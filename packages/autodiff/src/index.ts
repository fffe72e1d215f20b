export { isMatrix, type Leaf, leavesOf, mapLeaves, type Mask, type Params } from "./leaves.ts";
export { accumulateGradients, type AccumulationState } from "./optimizers/accumulate.ts";
export { adamW, type AdamWOptions, type AdamWState } from "./optimizers/adamw.ts";
export { averageParams, type AverageState } from "./optimizers/average.ts";
export { lion, type LionOptions, type LionState } from "./optimizers/lion.ts";
export { applyUpdatesInPlace, chain, type Optimizer, type State } from "./optimizers/optimizer.ts";
export { freeze, partition, type PartitionState } from "./optimizers/partition.ts";
export {
  type CosineOptions,
  cosineSchedule,
  type Schedule,
  warmUp,
  warmupStableDecay,
  type WarmupStableDecayOptions,
} from "./optimizers/schedules.ts";
export { sgd, type SgdOptions, type SgdState } from "./optimizers/sgd.ts";
export { clipByGlobalNorm, globalNorm, scaleBySchedule } from "./optimizers/transforms.ts";
export type { HostTensor, Tree } from "./tree.ts";
export { readSafetensors, type SafetensorsFile, writeSafetensors } from "./safetensors.ts";
export { type Checkpoint, loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
