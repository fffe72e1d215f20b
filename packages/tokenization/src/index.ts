export type { BpeAlgorithm } from "./bpe.ts";
export { encodeWithDropout } from "./bpe-dropout.ts";
export { type ByteTrie, createByteTrie, type TrieNode } from "./byte-trie.ts";
export {
  type ChatMessage,
  type ChatTemplate,
  encodeChat,
  type RenderOptions,
  roles,
} from "./encode-chat.ts";
export {
  createDecodeStream,
  type DecodeStream,
  type DecodeStreamOptions,
} from "./decode-stream.ts";
export { type SequenceTokens, sequenceTokensFromGguf, tokenizerFromGguf } from "./from-gguf.ts";
export {
  createPreTokenizer,
  type GgmlPre,
  ggmlPreTokenizer,
  type PreTokenizer,
  type PreTokenizerJson,
} from "./pre-tokenizer.ts";
export { createCounter, type TokenCounter } from "./counter.ts";
export { decodeBytes, encodeBytes } from "./encode-bytes.ts";
export { createHealer, type HealedPrompt, type Healer } from "./token-healing.ts";
export { type Encoding, encodeWithOffsets, splitAtTokens } from "./offsets.ts";
export { loadTokenizerJson } from "./delegated.ts";
export { saveTables, tokenizerFromTables } from "./tables.ts";
export { tiktokenEncodings } from "./tiktoken-encodings.ts";
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
