export { type Codes, discretize, kMeans, residualCodes } from "./code-sets.ts";
export {
  createItemTable,
  type ItemChoice,
  type ItemTable,
  type RankedItems,
} from "./item-table.ts";
export { ndcgAtK, recallAtK } from "./ranking-metrics.ts";
export { createRecommender, type Recommender } from "./recommender.ts";
export { type SetRecBatch, setRecBatches } from "./set-batches.ts";
export {
  type HistoryMask,
  type SetLayout,
  setMask,
  type SetPositions,
  setPositions,
} from "./set-input.ts";
export {
  answerQueries,
  type Catalogue,
  groundingLoss,
  initSetRec,
  itemTokens,
  itemTokensOf,
  layoutOf,
  reconstructionLoss,
  type SetRec,
  type SetRecConfig,
  setRecConfig,
  setRecLoss,
  setScores,
} from "./setrec.ts";
