/**
 * Stochastic gradient descent with momentum: m = momentum m + g, update = -rate m; Nesterov's looks one step ahead: -rate (momentum m + g).
 *
 * Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
 */
import { alignLeaves, type Params, zerosLike } from "../leaves.ts";
import { checkDecay, type Optimizer, rateAt } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** Settings of {@link sgd}. */
export interface SgdOptions {
  readonly learningRate: number | Schedule;
  /** In [0, 1). Default 0: plain gradients. */
  readonly momentum?: number;
  /** Default false. */
  readonly nesterov?: boolean;
}

/** What it remembers: the updates done, and arrays in the form of the parameters. */
export type SgdState = { readonly count: number; readonly momentum: Params };

/** Gradient descent with momentum. @throws InvalidArgumentError for a momentum outside [0, 1). */
export function sgd({
  learningRate,
  momentum = 0,
  nesterov = false,
}: SgdOptions): Optimizer<SgdState> {
  checkDecay("sgd", "momentum", momentum);
  return {
    init: (params) => ({ count: 0, momentum: zerosLike(params) }),
    async update(grads, state, params) {
      const rate = rateAt("sgd", learningRate, state.count);
      for (const { gradients, trace } of alignLeaves("sgd", {
        parameters: params,
        gradients: grads,
        trace: state.momentum,
      })) {
        descend(gradients.data, trace.data, rate, momentum, nesterov);
      }
      return [grads, { count: state.count + 1, momentum: state.momentum }];
    },
  };
}

function descend(
  g: Float32Array,
  m: Float32Array,
  rate: number,
  momentum: number,
  nesterov: boolean,
): void {
  for (let i = 0; i < g.length; i++) {
    const trace = momentum * m[i] + g[i];
    m[i] = trace;
    g[i] = -rate * (nesterov ? momentum * trace + g[i] : trace);
  }
}
