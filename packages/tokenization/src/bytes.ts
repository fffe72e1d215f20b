/** Laws over bytes of models that say tokens. */
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
