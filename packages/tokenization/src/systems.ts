/** Systems of the literature: see PAPERS.md. */
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
