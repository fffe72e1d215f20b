import { readFileSync } from "node:fs";
import {
  accumulateGradients,
  adamW,
  applyUpdatesInPlace,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  freeze,
  leavesOf,
  lion,
  muon,
  type Optimizer,
  type Params,
  scaleBySchedule,
  type Schedule,
  sgd,
  warmUp,
  warmupStableDecay,
} from "@veridraft/autodiff";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { afterAll, describe, expect, test } from "vitest";
import { floats, type FloatTree } from "../trees.ts";

// Made by fixtures/optax_vectors.py with optax 0.2.8 in float64; ours computes in float64 and stores float32, hence 1e-6.
const vectors: {
  readonly params: FloatTree;
  readonly grads: readonly FloatTree[];
  readonly steps: Record<string, readonly FloatTree[]>;
  readonly schedules: Record<string, readonly number[]>;
} = JSON.parse(readFileSync(new URL("../fixtures/optax.json", import.meta.url), "utf8"));

const learningRate = 0.1;
const warmCosine = warmUp(2, cosineSchedule({ peak: 0.1, steps: 3, end: 0.01 }));

const muons = muon({
  runner: createGraphRunner({ threads: 1 }),
  learningRate,
  weightDecay: 0.1,
  rest: adamW({ learningRate }),
});
afterAll(() => muons.dispose());

const optimizers: Record<string, Optimizer> = {
  sgd: sgd({ learningRate }),
  momentum: sgd({ learningRate, momentum: 0.9 }),
  nesterov: sgd({ learningRate, momentum: 0.9, nesterov: true }),
  adamW: adamW({ learningRate, weightDecay: 0.1 }),
  lion: lion({ learningRate, weightDecay: 0.1 }),
  muon: muons,
  clipped: chain(clipByGlobalNorm(1), sgd({ learningRate: 1 }), scaleBySchedule(warmCosine)),
  frozen: freeze(
    (path) => path === "bias" || path === "layers.0.weight",
    adamW({ learningRate, weightDecay: 0.1 }),
  ),
  accumulated: accumulateGradients(2, adamW({ learningRate, weightDecay: 0.1 })),
};

async function run(optimizer: Optimizer, check: (params: Params, step: number) => void) {
  const params = floats(vectors.params);
  let state = optimizer.init(params);
  for (const [step, gradient] of vectors.grads.entries()) {
    const [updates, next] = await optimizer.update(floats(gradient), state, params);
    applyUpdatesInPlace(params, updates);
    state = next;
    check(params, step);
  }
}

describe("steps of optax", () => {
  test.each(Object.keys(optimizers))("%s", async (name) => {
    await run(optimizers[name], (params, step) => {
      const expected = leavesOf(floats(vectors.steps[name][step]));
      for (const [path, { data }] of leavesOf(params)) {
        const wanted = expected.get(path)!.data;
        for (let i = 0; i < data.length; i++) {
          expect(Math.abs(Number(data[i]) - Number(wanted[i])), `${path}[${i}]`).toBeLessThan(1e-6);
        }
      }
    });
  });

  test.each<[string, Schedule]>([
    ["cosine", warmCosine],
    ["stable", warmupStableDecay({ peak: 0.1, warmup: 0, stable: 2, decay: 3, end: 0.01 })],
  ])("schedule %s", (name, schedule) => {
    for (const [step, value] of vectors.schedules[name].entries()) {
      expect(schedule(step)).toBeCloseTo(value, 7);
    }
  });
});

describe("laws of all", () => {
  test.each(Object.keys(optimizers))("%s gives the same bits again", async (name) => {
    const bits: number[][] = [];
    for (let round = 0; round < 2; round++) {
      await run(optimizers[name], (params) => {
        for (const { data } of leavesOf(params).values()) bits.push(Array.from(data, Number));
      });
    }
    expect(bits.slice(bits.length / 2)).toEqual(bits.slice(0, bits.length / 2));
  });

  test.each(["sgd", "adamW", "lion", "accumulated"])("%s names what differs", async (name) => {
    const optimizer = optimizers[name];
    const params = floats(vectors.params);
    const grads = {
      ...(floats(vectors.grads[0]) as object),
      bias: floats({ shape: [2], data: [1, 2] }),
    };
    await expect(optimizer.update(grads as Params, optimizer.init(params), params)).rejects.toThrow(
      /: bias has shape \[/,
    );
  });
});
