/** A slow copy of the parameters, which often generalizes better than the last step. */
import { alignLeaves, copyOf, type Params } from "../leaves.ts";
import { checkDecay, type Optimizer, type State } from "./optimizer.ts";

/** State of an {@link averageParams}. */
export type AverageState = {
  /** The averaged parameters. */
  readonly average: Params;
  readonly inner: State;
};

/**
 * Keeps an exponential moving average of the parameters in the state: average = decay average + (1 - decay) p after every update, from the
 * initial ones on.
 *
 * @throws InvalidArgumentError for a decay outside [0, 1).
 */
export function averageParams(decay: number, optimizer: Optimizer): Optimizer<AverageState> {
  checkDecay("averageParams", "decay", decay);
  return {
    init: (params) => ({
      average: copyOf(params),
      inner: optimizer.init(params),
    }),
    async update(grads, { average, inner }, params) {
      const [updates, next] = await optimizer.update(grads, inner, params);
      for (const row of alignLeaves("averageParams", { parameters: params, updates, average })) {
        follow(row.average.data, row.parameters.data, row.updates.data, decay);
      }
      return [updates, { average, inner: next }];
    },
  };
}

function follow(average: Float32Array, p: Float32Array, update: Float32Array, decay: number): void {
  for (let i = 0; i < p.length; i++) {
    average[i] = decay * average[i] + (1 - decay) * Math.fround(p[i] + update[i]);
  }
}
