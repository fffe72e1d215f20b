export {
  type Conv,
  conv,
  initConv,
  initResidualBlock,
  type ResidualBlock,
  residualBlock,
} from "./conv.ts";
export { filled, normal, uniform } from "./init.ts";
export {
  feedForward,
  initLinear,
  initMlp,
  initNorm,
  type Linear,
  linear,
  type LinearOptions,
  type Lora,
  type Mlp,
  type MlpKind,
  type Norm,
  normalize,
  type NormKind,
} from "./layers.ts";
export {
  languageModelLogits,
  languageModelLoss,
  type LanguageModelTraining,
  measureBits,
  textBatches,
  trainLanguageModel,
  type WindowBatch,
} from "./language-model.ts";
export { type Adapters, initLora, mergeLora, withLora } from "./lora.ts";
export { type Angles, gridAngles, rotaryAngles } from "./positions.ts";
export {
  type Attend,
  attentionLayer,
  type Block,
  headsOf,
  initTransformer,
  logitsOf,
  transformBlocks,
  type Transformer,
  transformer,
  type TransformerConfig,
  type TransformerOptions,
  transformRows,
} from "./transformer.ts";
