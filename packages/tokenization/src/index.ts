export type { BpeAlgorithm } from "./bpe.ts";
export { encodeWithDropout } from "./bpe-dropout.ts";
export { healedByteLaw, naiveByteLaw } from "./byte-baselines.ts";
export {
  type Allowed,
  bytePrefixLogProb,
  canonicalSequences,
  coverEncodings,
  scoreCovers,
} from "./byte-covers.ts";
export { arithmeticMean, ensembleBytes, geometricMean, type MixLaws } from "./byte-ensemble.ts";
export { ByteBeam, type ByteBeamOptions } from "./byte-probs.ts";
export { type BytePrompt, cutPrompt, fillInMiddle, type FillInMiddleIds } from "./byte-prompt.ts";
export {
  type ByteSampling,
  type ByteSource,
  byteSymbols,
  endOfBytes,
  sampleBytes,
  warpByteLaw,
} from "./byte-source.ts";
export { type ByteTrie, createByteTrie, type TrieNode } from "./byte-trie.ts";
export {
  type ChatMessage,
  type ChatTemplate,
  encodeChat,
  type RenderOptions,
} from "./encode-chat.ts";
export {
  createDecodeStream,
  type DecodeStream,
  type DecodeStreamOptions,
} from "./decode-stream.ts";
export {
  type PairDictionary,
  createLookup,
  encodeGreedy,
  encodeMinimal,
  encodeRules,
  fixedBlocks,
  type Lookup,
  learnPairs,
  learnLzw,
  learnPairsInParts,
} from "./dictionaries.ts";
export { tokenizerFromGguf } from "./from-gguf.ts";
export {
  drawAddition,
  drawLangGame,
  type LangGameKind,
  langGameKinds,
  type LangGameQuestion,
} from "./lang-game.ts";
export { type LibOptions, LibTrainer } from "./lib.ts";
export { RankedLexicon } from "./lib-lexicon.ts";
export { createLibTokenizer, type LibTokenizer } from "./lib-tokenizer.ts";
export {
  dirichletSource,
  type MarkovSource,
  matrixSource,
  switchingSource,
} from "./markov-source.ts";
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
  buildSplitTable,
  type ExpandedIds,
  type ExpandOptions,
  expandTokens,
  type SplitTable,
} from "./stochastok.ts";
export {
  blockLoss,
  evaluateTokenizer,
  lzwBound,
  patternScore,
  type TokenizerLoss,
  unigramLoss,
  type UnigramLoss,
} from "./tokenization-theory.ts";
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
export { type Decomposition, decomposeTokens } from "./decompose-tokens.ts";
export {
  type EmbedTexts,
  globalWeights,
  localWeights,
  meanRow,
  type Mixture,
  mixRows,
  nearestRows,
  normalizeRows,
  normalRow,
  reTok,
  selfEmbedding,
  tokenAdapt,
  type TokenAdaptOptions,
} from "./tokenadapt.ts";
export {
  boundaryStability,
  compareSplits,
  corrupt,
  corruptAt,
  type ErrorKind,
  type SplitChange,
  type Stability,
} from "./boundary-stability.ts";
export { compareTokenizers, type TokenizerReport } from "./compare-tokenizers.ts";
export { kl3mCharacter, kl3mDomain, kl3mSpecial, kl3mStrings, truncateVocabulary } from "./kl3m.ts";
export {
  chunkLengths,
  type LengthRange,
  randomLengthSplit,
  supertokenLengths,
} from "./chunk-lengths.ts";
