export { defaultCacheFolder } from "./convert.ts";
export { dequantize, readableTypes } from "./dequantize.ts";
export { type Gguf, type GgufTensor, type GgufType, type GgufValue, readGguf } from "./gguf.ts";
export { type LoadedModel, loadModel, type LoadOptions, loadTokenizer } from "./load.ts";
export { type OnnxForwardOptions, OnnxModel, OnnxSequence } from "./model.ts";
export type { EngineStatistics } from "./protocol.ts";
export type { SelfTest } from "./self-test.ts";
export { type WeightFormat, weightFormats } from "./weights.ts";
