/** A model that has no vocabulary learns a rhyme in seconds; it has a probability for every word, and the words' probabilities sum to 1. */
import { adamW, jit, train, valueAndGrad } from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import {
  byteUnits,
  createWordPooledModel,
  initWordPooled,
  packWords,
  segmentWords,
  wordBatches,
  wordOfBytes,
  wordPooledConfig,
  wordPooledLoss,
} from "@veridraft/tokenization/word-pooled";

const rhyme = `For want of a nail the shoe was lost.
For want of a shoe the horse was lost.
For want of a horse the rider was lost.
For want of a rider the message was lost.
`;
const config = wordPooledConfig.parse({
  prefixes: 1,
  maxUnits: 9,
  maxWords: 12,
  width: 32,
  layers: 2,
  heads: 2,
  smallLayers: 1,
});
const words = segmentWords(rhyme, config.maxUnits, "unicode").map(byteUnits);
const key = createRng(1);
const runner = createGraphRunner({ threads: 1 });
const step = jit(runner, valueAndGrad(wordPooledLoss(config)));
const { params } = await train({
  step,
  params: initWordPooled(config, key.at(0, "draft"), 0.1),
  optimizer: adamW({ learningRate: 0.006 }),
  batches: wordBatches(packWords(words, config.maxUnits), 8, config.maxWords, key),
  steps: 400,
});
await step.dispose();

const model = createWordPooledModel(runner, config, params);
const said = segmentWords("For want of a rider", config.maxUnits, "unicode");
console.log(said.join("|"));
const history = await model.pool(said.map(byteUnits));
for (const truth of [" the", " message"]) {
  const state = await model.state(history);
  const guess = wordOfBytes(await model.decode(state, "greedy"));
  const chances = await Promise.all(
    [truth, " massage"].map(async (word) => Math.exp(await model.score(state, byteUnits(word)))),
  );
  console.log(
    `next:${guess}, more than 1/2: ${chances[0] > 0.5}, massage less than 1/10: ${chances[1] < 0.1}`,
  );
  history.push(...(await model.pool([byteUnits(truth)])));
}
await model.dispose();
// -> For| want| of| a| rider
// -> next: the, more than 1/2: true, massage less than 1/10: true
// -> next: message, more than 1/2: true, massage less than 1/10: true
