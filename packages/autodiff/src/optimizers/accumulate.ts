/** Large batches in parts: gradients are summed over several steps before the optimizer sees their mean. */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { addInPlace } from "../kernels.ts";
import { alignLeaves, type Params, zerosLike } from "../leaves.ts";
import type { Optimizer, State } from "./optimizer.ts";

/** State of an {@link accumulateGradients}. */
export type AccumulationState = {
  /** Steps since the last update. */
  readonly waiting: number;
  readonly sum: Params;
  readonly inner: State;
};

/**
 * Calls `optimizer` at every `steps`-th step with the mean gradient of these steps; the updates of the others are zeros.
 *
 * @throws InvalidArgumentError where `steps` is no positive integer.
 */
export function accumulateGradients(
  steps: number,
  optimizer: Optimizer,
): Optimizer<AccumulationState> {
  if (!(Number.isSafeInteger(steps) && steps > 0)) {
    throw new InvalidArgumentError(
      `accumulateGradients: steps must be a positive integer, got ${steps}`,
    );
  }
  return {
    init: (params) => ({ waiting: 0, sum: zerosLike(params), inner: optimizer.init(params) }),
    async update(grads, { waiting, sum, inner }, params) {
      const isLast = waiting + 1 === steps;
      for (const row of alignLeaves("accumulateGradients", { gradients: grads, sum })) {
        addInPlace(row.sum.data, row.gradients.data);
        if (isLast) moveMean(row.sum.data, row.gradients.data, steps);
        else row.gradients.data.fill(0);
      }
      if (!isLast) return [grads, { waiting: waiting + 1, sum, inner }];
      const [updates, next] = await optimizer.update(grads, inner, params);
      return [updates, { waiting: 0, sum, inner: next }];
    },
  };
}

/** Writes the mean of `steps` gradients over the last of them and clears their sum. */
function moveMean(sum: Float32Array, gradient: Float32Array, steps: number): void {
  for (let i = 0; i < sum.length; i++) gradient[i] = sum[i] / steps;
  sum.fill(0);
}
