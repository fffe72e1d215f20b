/** First values of parameters, from an explicit stream of random numbers. */
import type { Rng } from "@veridraft/core-probs";
import type { HostTensor } from "../runner.ts";
import { sizeOf } from "../tensor.ts";

/** All of one value. */
export function filled(shape: readonly number[], value: number): HostTensor {
  return { data: new Float32Array(sizeOf(shape)).fill(value), shape };
}

/** Uniform on [-bound, bound). */
export function uniform(shape: readonly number[], bound: number, rng: Rng): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = (2 * rng.uniform() - 1) * bound;
  return { data, shape };
}

/** Normal with mean 0, by the transform of Box and Muller. */
export function normal(shape: readonly number[], deviation: number, rng: Rng): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i += 2) {
    // 1 - u lies in (0, 1].
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - rng.uniform()));
    const angle = 2 * Math.PI * rng.uniform();
    data[i] = radius * Math.cos(angle);
    if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
  }
  return { data, shape };
}
