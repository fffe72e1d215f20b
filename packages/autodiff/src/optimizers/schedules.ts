/** Learning rates by step; the first step is 0. */
import { InvalidArgumentError } from "@veridraft/core-probs";

/** A value by step. */
export type Schedule = (step: number) => number;

/** From `peak` down to `end`, over `steps`. */
export interface CosineOptions {
  readonly peak: number;
  readonly steps: number;
  /** Value from `steps` on. Default 0. */
  readonly end?: number;
}

/** Steps of the three phases of a {@link warmupStableDecay}. */
export interface WarmupStableDecayOptions {
  readonly peak: number;
  readonly warmup: number;
  readonly stable: number;
  readonly decay: number;
  /** Value after the decay. Default 0. */
  readonly end?: number;
}

/**
 * Half a cosine: end + (peak - end) (1 + cos(pi step / steps)) / 2, then `end`.
 *
 * Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, arXiv:1608.03983.
 *
 * @throws InvalidArgumentError where `steps` is no positive integer.
 */
export function cosineSchedule({ peak, steps, end = 0 }: CosineOptions): Schedule {
  checkSteps("cosineSchedule", "steps", steps, 1);
  return (step) => {
    const turn = Math.PI * Math.min(step / steps, 1);
    return end + ((peak - end) * (1 + Math.cos(turn))) / 2;
  };
}

/**
 * A line up to the first value of `then` in `steps` steps, then `then` from its beginning. Step 0 already learns: it has 1 / (steps + 1) of it.
 *
 * @throws InvalidArgumentError where `steps` is no integer of at least 0.
 */
export function warmUp(steps: number, then: number | Schedule): Schedule {
  checkSteps("warmUp", "steps", steps, 0);
  const after = typeof then === "number" ? () => then : then;
  return (step) => (step < steps ? (after(0) * (step + 1)) / (steps + 1) : after(step - steps));
}

/**
 * Warm-up, a long constant phase, and a line down to `end`: training can be prolonged from the end of the constant phase.
 *
 * Hu et al., "MiniCPM: Unveiling the Potential of Small Language Models with Scalable Training Strategies", 2024, arXiv:2404.06395.
 *
 * @throws InvalidArgumentError where a phase is no integer of at least 0.
 */
export function warmupStableDecay({
  peak,
  warmup,
  stable,
  decay,
  end = 0,
}: WarmupStableDecayOptions): Schedule {
  checkSteps("warmupStableDecay", "stable", stable, 0);
  checkSteps("warmupStableDecay", "decay", decay, 0);
  return warmUp(warmup, (step) => {
    if (step < stable) return peak;
    const left = Math.max(decay - (step - stable), 0);
    return decay === 0 ? end : end + ((peak - end) * left) / decay;
  });
}

function checkSteps(owner: string, name: string, value: number, least: number): void {
  if (!(Number.isSafeInteger(value) && value >= least)) {
    throw new InvalidArgumentError(
      `${owner}: ${name} must be an integer of at least ${least}, got ${value}`,
    );
  }
}
