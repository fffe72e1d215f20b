/** SETRec in use: a history in, the best items of the catalogue out, in one forward. */
import { type GraphRunner, type HostTensor, jit, type Tensor } from "@veridraft/autodiff";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { createItemTable, type ItemChoice, type RankedItems } from "./item-table.ts";
import { setMask } from "./set-input.ts";
import {
  answerQueries,
  type Catalogue,
  itemTokens,
  itemTokensOf,
  layoutOf,
  type SetRec,
  type SetRecConfig,
} from "./setrec.ts";

/** Recommends items, numbered from 0. */
export interface Recommender {
  /**
   * The k best items after a history of which the last items count; items of the history are not left out unless `choice` says so.
   *
   * @param beta In [0, 1]: the weight of the semantic tokens. @throws InvalidArgumentError for an item or a beta out of range.
   */
  recommend(
    history: ArrayLike<number>,
    beta: number,
    k: number,
    choice?: ItemChoice,
  ): Promise<RankedItems>;
  dispose(): Promise<void>;
}

/** A recommender of trained parameters, with the tokens of all items computed once. */
export async function createRecommender(
  runner: GraphRunner,
  config: SetRecConfig,
  params: SetRec<HostTensor>,
  catalogue: Catalogue<HostTensor>,
): Promise<Recommender> {
  const { width, history: length } = config;
  const count = itemTokensOf(config);
  const tokenize = jit(runner, (weights: SetRec<Tensor>, all: Catalogue<Tensor>) =>
    itemTokens(weights, config, all),
  );
  const tokens = (await tokenize(params, catalogue)).data as Float32Array;
  await tokenize.dispose();
  const items = catalogue.text.shape[0] - 1;
  const dimensions = Array.from({ length: count }, (_, k) => {
    const vectors = new Float32Array(items * width);
    for (let item = 0; item < items; item++) {
      const at = ((item + 1) * count + k) * width;
      vectors.set(tokens.subarray(at, at + width), item * width);
    }
    return vectors;
  });
  // Without a collaborative token, the first dimension has no vectors: all zeros.
  if (!config.collaborative) dimensions.unshift(new Float32Array(items * width));
  const table = createItemTable(dimensions, width);
  const layout = layoutOf(config);
  const rows = layout.before + layout.items * count + layout.after + count;
  const mask = { data: setMask(layout), shape: [rows, rows] };
  const answer = jit(
    runner,
    (weights: SetRec<Tensor>, sets: Tensor, present: Tensor, visible: Tensor) =>
      answerQueries(weights, config, sets, present, visible),
  );

  return {
    async recommend(history, beta, k, choice) {
      const last = Array.from(history).slice(-length);
      const sets = new Float32Array(length * count * width);
      const present = new Float32Array(length);
      last.forEach((item, i) => {
        if (!(Number.isInteger(item) && item >= 0 && item < items)) {
          throw new InvalidArgumentError(
            `recommend: items are integers in [0, ${items}), got ${item}`,
          );
        }
        const place = length - last.length + i;
        present[place] = 1;
        const set = tokens.subarray((item + 1) * count * width, (item + 2) * count * width);
        sets.set(set, place * count * width);
      });
      const { data } = await answer(
        params,
        { data: sets, shape: [1, length * count, width] },
        { data: present, shape: [1, length] },
        mask,
      );
      const outputs = new Float32Array(dimensions.length * width);
      outputs.set(data as Float32Array, outputs.length - data.length);
      return table.rank(outputs, beta, k, choice);
    },
    dispose: answer.dispose,
  };
}
