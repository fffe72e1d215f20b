export type { BpeAlgorithm } from "./bpe.ts";
export { encodeWithDropout } from "./bpe-dropout.ts";
export {
  type ChatMessage,
  type ChatTemplate,
  type ChatTemplateTokens,
  createChatTemplate,
  encodeChat,
  type RenderOptions,
} from "./chat-template.ts";
export { chatTemplateFromJson } from "./chat-template-json.ts";
export {
  createDecodeStream,
  type DecodeStream,
  type DecodeStreamOptions,
} from "./decode-stream.ts";
export { chatTemplateFromGguf, tokenizerFromGguf } from "./from-gguf.ts";
export {
  createPreTokenizer,
  type GgmlPre,
  ggmlPreTokenizer,
  type PreTokenizer,
  type PreTokenizerJson,
} from "./pre-tokenizer.ts";
export { countPieces, type PieceCounts, type SplitText } from "./count-pieces.ts";
export { protectStrings } from "./protected-vocabulary.ts";
export { randomChunkSplit, randomWhitespaceSplit } from "./supertokens.ts";
export { trainBpe, type TrainOptions, type TrainProgress } from "./train-bpe.ts";
export { measureTokenizer, type TokenizerMeasures } from "./measure-tokenizer.ts";
export { createCounter, type TokenCounter } from "./counter.ts";
export { createEncodePool, type EncodedBatch, type EncodePool } from "./encode-pool.ts";
export { createHealer, type HealedPrompt, type Healer } from "./token-healing.ts";
export { type Encoding, encodeWithOffsets, splitAtTokens } from "./offsets.ts";
export { loadTokenizerJson } from "./delegated.ts";
export { saveTables, tokenizerFromTables } from "./tables.ts";
export { type TiktokenOptions, tokenizerFromTiktoken, toTiktoken } from "./tiktoken.ts";
export {
  type CountOptions,
  createTokenizer,
  type DecodeOptions,
  type EncodeOptions,
  type Explanation,
  type Tokenizer,
} from "./tokenizer.ts";
export {
  type AddedTokenJson,
  type TokenizerConfigJson,
  type TokenizerContext,
  type TokenizerJson,
  tokenizerFromJson,
  toTokenizerJson,
} from "./tokenizer-json.ts";
export type {
  AnyVocabulary,
  DelegatedVocabulary,
  SentencePieceVocabulary,
  Vocabulary,
} from "./vocabulary.ts";
