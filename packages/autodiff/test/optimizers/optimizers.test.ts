import {
  accumulateGradients,
  adamW,
  applyUpdatesInPlace,
  averageParams,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  globalNorm,
  leavesOf,
  lion,
  type Params,
  partition,
  sgd,
  warmUp,
  warmupStableDecay,
} from "@veridraft/autodiff";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { vector } from "../trees.ts";

function valuesOf(tree: Params): number[][] {
  return Array.from(leavesOf(tree).values(), ({ data }) => Array.from(data, Number));
}

describe("chain", () => {
  test("the first transform gets the gradients", async () => {
    const optimizer = chain(clipByGlobalNorm(1), sgd({ learningRate: 2 }));
    const params = { a: vector(0, 0) };
    const [updates] = await optimizer.update({ a: vector(3, 4) }, optimizer.init(params), params);
    // [3, 4] has norm 5: clipped to [0.6, 0.8].
    expect(valuesOf(updates)).toEqual([
      [Math.fround(-2 * Math.fround(0.6)), Math.fround(-2 * Math.fround(0.8))],
    ]);
  });

  test("clipping bounds the norm", async () => {
    const gradient = fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(
        gradient,
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        async (g, norm) => {
          const grads = { a: vector(...g) };
          const before = globalNorm(grads);
          await clipByGlobalNorm(norm).update(grads, {}, grads);
          const off = globalNorm(grads) - Math.min(before, norm);
          expect(Math.abs(off)).toBeLessThanOrEqual(1e-6 * norm);
        },
      ),
    );
  });
});

test("accumulateGradients: two halves of a batch are the batch", async () => {
  const params = { a: vector(1, 2) };
  const whole = adamW({ learningRate: 0.1 });
  const [expected] = await whole.update({ a: vector(2, -3) }, whole.init(params), params);
  const halves = accumulateGradients(2, whole);
  const [none, state] = await halves.update({ a: vector(1, -4) }, halves.init(params), params);
  expect(valuesOf(none)).toEqual([[0, 0]]);
  const [updates] = await halves.update({ a: vector(3, -2) }, state, params);
  expect(updates).toEqual(expected);
});

test("averageParams: a decay of 1/2, by hand", async () => {
  const optimizer = averageParams(0.5, sgd({ learningRate: 1 }));
  const params = { a: vector(4) };
  let state = optimizer.init(params);
  const averages: number[] = [];
  for (const gradient of [2, 2, -4]) {
    const [updates, next] = await optimizer.update({ a: vector(gradient) }, state, params);
    applyUpdatesInPlace(params, updates);
    state = next;
    averages.push(valuesOf(state.average)[0][0]);
  }
  // p = 2, 0, 4: (4 + 2) / 2, (3 + 0) / 2, (1.5 + 4) / 2
  expect(averages).toEqual([3, 1.5, 2.75]);
});

test("partition: each optimizer has the state of its own parameters", async () => {
  const optimizer = partition(
    (path) => path.startsWith("head"),
    sgd({ learningRate: 1 }),
    sgd({ learningRate: 10 }),
  );
  const params = { head: [vector(0)], body: vector(0) };
  const state = optimizer.init(params);
  expect([...leavesOf(state).keys()]).toEqual([
    "chosen.count",
    "chosen.momentum.head.0",
    "rest.count",
    "rest.momentum.body",
  ]);
  const [updates] = await optimizer.update({ head: [vector(1)], body: vector(1) }, state, params);
  expect(updates).toEqual({ head: [vector(-1)], body: vector(-10) });
});

describe("schedules", () => {
  test("by hand", () => {
    const stable = warmupStableDecay({ peak: 4, warmup: 3, stable: 2, decay: 4 });
    expect(Array.from({ length: 11 }, (_, step) => stable(step))).toEqual([
      1, 2, 3, 4, 4, 4, 3, 2, 1, 0, 0,
    ]);
    expect([0, 1, 2].map(warmUp(1, 2))).toEqual([1, 2, 2]);
  });

  test("stay between the end and the peak", () => {
    const schedule = warmUp(10, cosineSchedule({ peak: 1, steps: 50, end: 0.1 }));
    fc.assert(
      fc.property(fc.nat(200), (step) => {
        expect(schedule(step)).toBeGreaterThan(0);
        expect(schedule(step)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("bad input", () => {
  test.each([
    [() => adamW({ learningRate: 1, beta2: 1 }), "adamW: beta2 must be in [0, 1), got 1"],
    [() => lion({ learningRate: 1, beta1: -1 }), "lion: beta1 must be in [0, 1), got -1"],
    [() => sgd({ learningRate: 1, momentum: NaN }), "sgd: momentum must be in [0, 1), got NaN"],
    [() => clipByGlobalNorm(0), "clipByGlobalNorm: norm must be above 0, got 0"],
    [
      () => accumulateGradients(0, sgd({ learningRate: 1 })),
      "accumulateGradients: steps must be a positive integer, got 0",
    ],
    [
      () => cosineSchedule({ peak: 1, steps: 0 }),
      "cosineSchedule: steps must be an integer of at least 1, got 0",
    ],
    [() => warmUp(-1, 1), "warmUp: steps must be an integer of at least 0, got -1"],
    [
      () => leavesOf({ a: { b: vector(1) }, "a.b": vector(2) }),
      "leavesOf: two entries of the tree have the path a.b; rename one",
    ],
  ])("%#", (act, message) => {
    expect(act).toThrow(expect.objectContaining({ message }));
  });

  test.each<[Params, string]>([
    [
      { a: vector(1), b: vector(1) },
      "sgd: parameters and gradients differ: only the latter has b; give trees of one form",
    ],
    [
      { b: vector(1) },
      "sgd: parameters and gradients differ: only the former has a; give trees of one form",
    ],
    [
      { a: vector(1, 2) },
      "sgd: a has shape [1] in parameters and [2] in gradients; give trees of one form",
    ],
    [
      { a: { data: Int32Array.of(1), shape: [1] } },
      "sgd: a in gradients must be a Float32Array, got Int32Array",
    ],
  ])("gradients of another form: %#", async (grads, message) => {
    const optimizer = sgd({ learningRate: 1 });
    const params = { a: vector(1) };
    await expect(optimizer.update(grads, optimizer.init(params), params)).rejects.toMatchObject({
      message,
    });
  });

  test("a schedule that is not a number", async () => {
    const optimizer = sgd({ learningRate: () => NaN });
    const params = { a: vector(1) };
    await expect(optimizer.update(params, optimizer.init(params), params)).rejects.toThrow(
      "sgd: the learning rate must be finite and at least 0, got NaN at step 0",
    );
  });
});
