export { randomWindows, shuffledRows, takeRows } from "./batches.ts";
export { type Checkpoint, loadCheckpoint, saveCheckpoint } from "./checkpoint-folder.ts";
export { checkpoint } from "./checkpoint.ts";
export { trace, type TracedGraph } from "./graph.ts";
export { type HostArgument, jit, type Jitted } from "./jit.ts";
export { isMatrix, leavesOf, type Mask, type Params } from "./leaves.ts";
export { lossCurve, type LossPoint } from "./loss-curve.ts";
export { buildGraph, type Lowering, type NamedTensors } from "./lowering.ts";
export {
  gelu,
  geluTanh,
  logSigmoid,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from "./operations/activations.ts";
export { attention, type AttentionOptions, rotary } from "./operations/attention.ts";
export { stopGradient, straightThrough } from "./operations/control.ts";
export { conv2d, type ConvOptions, convTranspose2d } from "./operations/conv.ts";
export { crossEntropy, type LossOptions, tokenLogProbs } from "./operations/cross-entropy.ts";
export {
  abs,
  add,
  cos,
  div,
  erf,
  exp,
  floor,
  log,
  mul,
  neg,
  type Operand,
  pow,
  round,
  sign,
  sin,
  sqrt,
  square,
  sub,
} from "./operations/elementwise.ts";
export {
  addAlong,
  gather,
  gatherAlong,
  iota,
  oneHot,
  scatterAdd,
  topK,
} from "./operations/indexing.ts";
export { matmul, type MatmulOptions } from "./operations/matmul.ts";
export {
  layerNorm,
  logSoftmax,
  type NormOptions,
  rmsNorm,
  softmax,
} from "./operations/normalize.ts";
export {
  argMax,
  type Axes,
  cumsum,
  type CumsumOptions,
  logSumExp,
  max,
  mean,
  min,
  type ReduceOptions,
  sum,
} from "./operations/reduce.ts";
export {
  cast,
  clip,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  maximum,
  minimum,
  where,
} from "./operations/select.ts";
export { broadcastTo, expandDims, reshape, squeeze, sumTo, transpose } from "./operations/shape.ts";
export { concat, pad, slice, split } from "./operations/slices.ts";
export { accumulateGradients, type AccumulationState } from "./optimizers/accumulate.ts";
export { adamW, type AdamWOptions, type AdamWState } from "./optimizers/adamw.ts";
export { averageParams, type AverageState } from "./optimizers/average.ts";
export { lion, type LionOptions, type LionState } from "./optimizers/lion.ts";
export { muon, type Muon, type MuonOptions } from "./optimizers/muon.ts";
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
export { grad, type Loss, valueAndGrad, vjp } from "./reverse.ts";
export type { Graph, GraphRunner, GraphValue, HostTensor, Program } from "./runner.ts";
export {
  readSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  writeSafetensors,
} from "./safetensors.ts";
export {
  apply,
  applyAll,
  constant,
  type Dim,
  type DType,
  type GraphNode,
  type HostData,
  input,
  isTensor,
  type Operation,
  scalar,
  type Shape,
  type Tensor,
  type TensorType,
} from "./tensor.ts";
export { type Progress, train, type Trained, type TrainOptions } from "./train.ts";
export { type Leaf, type Mapped, mapTree, type Tree, treeLeaves } from "./tree.ts";
