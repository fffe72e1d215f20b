export {
  decodeWords,
  initWordPooled,
  poolWords,
  type WordBatch,
  wordBatch,
  wordBatches,
  type WordPooled,
  type WordPooledConfig,
  wordPooledConfig,
  wordPooledLogits,
  wordPooledLoss,
  wordStates,
} from "./word-pooled.ts";
export {
  createWordPooledModel,
  type UnitChoice,
  type WordPooledModel,
} from "./word-pooled-model.ts";
export {
  byteUnits,
  type CanvasTargets,
  canvasTargets,
  type PackedWords,
  packWords,
  type PaddingLoss,
  segmentWords,
  sliceWords,
  type WordMode,
  wordOfBytes,
} from "./words.ts";
