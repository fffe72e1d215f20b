/**
 * Lion: the sign of an interpolated momentum, so that it keeps one array where Adam keeps two.
 *
 * Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, arXiv:2302.06675.
 *
 * update = -rate (sign(beta1 m + (1 - beta1) g) + weightDecay p);  m = beta2 m + (1 - beta2) g
 *
 * Departures: the decay spares what is no matrix unless told otherwise.
 */
import { alignLeaves, isMatrix, type Mask, type Params, zerosLike } from "../leaves.ts";
import { checkDecay, type Optimizer, rateAt } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** Settings of {@link lion}. */
export interface LionOptions {
  /** A third to a tenth of AdamW's. */
  readonly learningRate: number | Schedule;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.99. */
  readonly beta2?: number;
  /** Three to ten times AdamW's. Default 0. */
  readonly weightDecay?: number;
  /** Which parameters decay. Default {@link isMatrix}. */
  readonly decayed?: Mask;
}

/** What it remembers: the updates done, and arrays in the form of the parameters. */
export type LionState = { readonly count: number; readonly momentum: Params };

/** Lion. @throws InvalidArgumentError for a beta outside [0, 1). */
export function lion({
  learningRate,
  beta1 = 0.9,
  beta2 = 0.99,
  weightDecay = 0,
  decayed = isMatrix,
}: LionOptions): Optimizer<LionState> {
  checkDecay("lion", "beta1", beta1);
  checkDecay("lion", "beta2", beta2);
  return {
    init: (params) => ({ count: 0, momentum: zerosLike(params) }),
    async update(grads, state, params) {
      const rate = rateAt("lion", learningRate, state.count);
      for (const { parameters, gradients, momentum } of alignLeaves("lion", {
        parameters: params,
        gradients: grads,
        momentum: state.momentum,
      })) {
        const decay = decayed(parameters.path, parameters) ? weightDecay : 0;
        step(parameters.data, gradients.data, momentum.data, { rate, beta1, beta2, decay });
      }
      return [grads, { count: state.count + 1, momentum: state.momentum }];
    },
  };
}

interface Coefficients {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly decay: number;
}

function step(
  p: Float32Array,
  g: Float32Array,
  m: Float32Array,
  { rate, beta1, beta2, decay }: Coefficients,
): void {
  for (let i = 0; i < p.length; i++) {
    const gradient = g[i];
    const direction = Math.sign(beta1 * m[i] + (1 - beta1) * gradient);
    m[i] = beta2 * m[i] + (1 - beta2) * gradient;
    g[i] = -rate * (direction + decay * p[i]);
  }
}
