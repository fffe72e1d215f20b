export { trainWalker } from "./train-walker.ts";
export { transformerModel } from "./transformer-model.ts";
export {
  allWalks,
  answerAtLength,
  answerPlainly,
  drawExample,
  drawWalk,
  isRightAnswer,
  packExamples,
  showWalk,
  type Walk,
  walkBatches,
  walkContext,
  walkDigits,
  type WalkExample,
  walkIds,
  walkPrompt,
  walkVocabSize,
} from "./two-step-walk.ts";
export {
  answerGreedily,
  loadWalker,
  type WalkerName,
  walkerPath,
  type WalkerRecipe,
  walkers,
} from "./walkers.ts";
