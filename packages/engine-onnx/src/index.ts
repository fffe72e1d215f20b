export { type CacheType, cacheTypes } from "./cache-type.ts";
export {
  chatTemplateFromGguf,
  chatTemplateFromJson,
  type ChatTemplateTokens,
  createChatTemplate,
} from "./chat-template.ts";
export { usableCpus } from "./cpus.ts";
export { defaultCacheFolder } from "./convert.ts";
export { fileSha256 } from "./file-hash.ts";
export { dequantize, readableTypes } from "./dequantize.ts";
export { type Gguf, type GgufTensor, type GgufType, type GgufValue, readGguf } from "./gguf.ts";
export { fromHalves, toHalf, toHalves } from "./half.ts";
export { decoderShape } from "./architectures.ts";
export { type LoadedHead, loadDraftHead, type StoredHead, writeDraftHead } from "./draft-head.ts";
export { type DeltaGraph } from "./delta-graph.ts";
export { type ExportFormat, exportModel } from "./export.ts";
export { type ExportedTokenizer, exportOnnx } from "./export-onnx.ts";
export { type FullGraph } from "./full-graph.ts";
export { createGraphRunner, type GraphRunnerOptions } from "./graph-runner.ts";
export { type LoadedModel, loadModel, type LoadOptions, loadTokenizer } from "./load.ts";
export { type ModelSource, type Network, readModelSource } from "./model-source.ts";
export { isOnnx } from "./onnx-folder.ts";
export { type OnnxForwardOptions, OnnxModel, OnnxSequence } from "./model.ts";
export type { EngineStatistics } from "./protocol.ts";
export { type Device, devices } from "./session.ts";
export type { SelfTest } from "./self-test.ts";
export { readTransformer, type TransformerFile, writeTransformer } from "./transformer-file.ts";
export { readTokenTables, type TokenTable, type TokenTables } from "./token-tables.ts";
export { type WeightFormat, weightFormats } from "./weights.ts";
