/**
 * Adam with decoupled weight decay.
 *
 * Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019, arXiv:1711.05101.
 *
 * m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 * update = -rate (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weightDecay p), t = 1 at the first step
 *
 * Departures: the decay is multiplied with the learning rate, as in PyTorch and optax; it spares what is no matrix unless told otherwise.
 */
import { alignLeaves, isMatrix, type Mask, type Params, zerosLike } from "../leaves.ts";
import { checkDecay, type Optimizer, rateAt } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

/** Settings of {@link adamW}. */
export interface AdamWOptions {
  readonly learningRate: number | Schedule;
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Default 0.01. */
  readonly weightDecay?: number;
  /** Which parameters decay. Default {@link isMatrix}. */
  readonly decayed?: Mask;
}

/** What it remembers: the updates done, and arrays in the form of the parameters. */
export type AdamWState = { readonly count: number; readonly mean: Params; readonly square: Params };

/** AdamW. @throws InvalidArgumentError for a beta outside [0, 1). */
export function adamW({
  learningRate,
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
  weightDecay = 0.01,
  decayed = isMatrix,
}: AdamWOptions): Optimizer<AdamWState> {
  checkDecay("adamW", "beta1", beta1);
  checkDecay("adamW", "beta2", beta2);
  return {
    init: (params) => ({ count: 0, mean: zerosLike(params), square: zerosLike(params) }),
    async update(grads, state, params) {
      const rate = rateAt("adamW", learningRate, state.count);
      const count = state.count + 1;
      const coefficients = {
        rate,
        beta1,
        beta2,
        epsilon,
        meanScale: 1 / (1 - beta1 ** count),
        squareScale: 1 / (1 - beta2 ** count),
      };
      for (const { parameters, gradients, mean, square } of alignLeaves("adamW", {
        parameters: params,
        gradients: grads,
        mean: state.mean,
        square: state.square,
      })) {
        const decay = decayed(parameters.path, parameters) ? weightDecay : 0;
        step(parameters.data, gradients.data, mean.data, square.data, decay, coefficients);
      }
      return [grads, { count, mean: state.mean, square: state.square }];
    },
  };
}

interface Coefficients {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly meanScale: number;
  readonly squareScale: number;
}

function step(
  p: Float32Array,
  g: Float32Array,
  m: Float32Array,
  v: Float32Array,
  decay: number,
  { rate, beta1, beta2, epsilon, meanScale, squareScale }: Coefficients,
): void {
  for (let i = 0; i < p.length; i++) {
    const gradient = g[i];
    const mean = beta1 * m[i] + (1 - beta1) * gradient;
    const square = beta2 * v[i] + (1 - beta2) * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    const direction = (mean * meanScale) / (Math.sqrt(square * squareScale) + epsilon);
    g[i] = -rate * (direction + decay * p[i]);
  }
}
