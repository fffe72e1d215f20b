/** Items that nobody has bought are found by their text: a shop of 24 items of 4 kinds, where people stay with a kind, and every eighth item is new. */
import { adamW, type HostTensor, jit, train, valueAndGrad } from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import {
  createRecommender,
  initSetRec,
  setRecBatches,
  setRecConfig,
  setRecLoss,
} from "@veridraft/tokenization/setrec";

const kinds = 4;
const items = 24;
const kindOf = (item: number): number => item % kinds;
const isNew = (item: number): boolean => item % 8 === 7;
const config = setRecConfig.parse({
  history: 4,
  semantic: 2,
  collaborativeWidth: 4,
  textWidth: 8,
  encoder: [16],
  width: 32,
  layers: 1,
  heads: 2,
});

const runner = createGraphRunner({ threads: 1 });
const key = createRng(2);
const rng = key.at(0, "sample");
const noise = (): number => 0.6 * (rng.uniform() - 0.5);
/** Row 0 is no item. An item's vector leans towards its kind. */
const vectors = (width: number, known: (item: number) => boolean): HostTensor => ({
  data: Float32Array.from({ length: (items + 1) * width }, (_, i) => {
    const item = Math.floor(i / width) - 1;
    return item < 0 || !known(item) ? 0 : Number(i % width === kindOf(item)) + noise();
  }),
  shape: [items + 1, width],
});
const catalogue = {
  collaborative: vectors(config.collaborativeWidth, (item) => !isNew(item)),
  text: vectors(config.textWidth, () => true),
};

const sold = Array.from({ length: items }, (_, item) => item).filter((item) => !isNew(item));
const baskets = Array.from({ length: 100 }, () => {
  const kind = Math.floor(rng.uniform() * kinds);
  const some = sold.filter((item) => kindOf(item) === kind);
  return Array.from({ length: 5 }, () => some[Math.floor(rng.uniform() * some.length)]);
});
const step = jit(runner, valueAndGrad(setRecLoss(config)));
const { params } = await train({
  step,
  params: initSetRec(config, key.at(0, "draft")),
  optimizer: adamW({ learningRate: 0.003 }),
  batches: setRecBatches(config, catalogue, baskets, 32, key),
  steps: 200,
});
await step.dispose();

const recommender = await createRecommender(runner, config, params, catalogue);
const fresh = new Set(Array.from({ length: items }, (_, item) => item).filter(isNew));
const basket = [3, 11, 19];
for (const beta of [0, 1]) {
  const known = await recommender.recommend(basket, beta, 3, { exclude: fresh });
  const unknown = await recommender.recommend(basket, beta, 24);
  const places = [...unknown.items].flatMap((item, place) => (fresh.has(item) ? [place + 1] : []));
  const right = [...known.items].filter((item) => kindOf(item) === 3).length;
  console.log(`beta ${beta}: ${right} of 3 of the kind, the best new item in place ${places[0]}`);
}
await recommender.dispose();
// -> beta 0: 3 of 3 of the kind, the best new item in place ...
// -> beta 1: 3 of 3 of the kind, the best new item in place 4
