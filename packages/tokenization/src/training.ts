/** Vocabularies from texts. */
export { countPieces, type PieceCounts, type SplitText } from "./count-pieces.ts";
export { protectStrings } from "./protected-vocabulary.ts";
export { randomWhitespaceSplit } from "./supertokens.ts";
export { trainBpe, type TrainOptions, type TrainProgress } from "./train-bpe.ts";
export {
  chunkLengths,
  type LengthRange,
  randomLengthSplit,
  supertokenLengths,
} from "./chunk-lengths.ts";
