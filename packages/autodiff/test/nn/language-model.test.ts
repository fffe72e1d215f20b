import { jit, type HostTensor } from "@veridraft/autodiff";
import {
  initTransformer,
  languageModelLoss,
  measureBits,
  textBatches,
  trainLanguageModel,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { describe, expect, test } from "vitest";

const config: TransformerConfig = {
  vocabSize: 8,
  contextLength: 12,
  layers: 1,
  width: 16,
  heads: 2,
  hidden: 32,
  mlp: "gelu",
  norm: "rms",
  rotaryBase: 10_000,
  tied: false,
};
const runner = createGraphRunner({ threads: 1 });
const key = createRng(6);
const fresh = initTransformer(config, key.at(0, "draft"));
/** All logits are 0, so that each id has 3 bits. */
const uniform = { ...fresh, head: { weight: { data: new Float32Array(128), shape: [16, 8] } } };

function windows(...rows: number[][]): HostTensor {
  return { data: Int32Array.from(rows.flat()), shape: [rows.length, rows[0].length] };
}

function masked(...rows: number[][]): HostTensor {
  return { data: Float32Array.from(rows.flat()), shape: [rows.length, rows[0].length] };
}

describe("languageModelLoss()", () => {
  const loss = jit(runner, languageModelLoss(config));

  test("is ln 8 nats for a model that knows nothing", async () => {
    const { data } = await loss(uniform, windows([1, 2, 3]), masked([1, 1, 1]));
    expect(data[0]).toBeCloseTo(Math.log(8), 6);
  });

  test("is the mean of what the mask counts, whatever the first id has", async () => {
    const batch = windows([1, 2, 3], [4, 5, 6]);
    const of = async (...mask: number[][]): Promise<number> =>
      Number((await loss(fresh, batch, masked(...mask))).data[0]);
    const first = await of([0, 1, 0], [0, 0, 0]);
    const second = await of([0, 0, 0], [0, 0, 1]);
    expect(first).not.toBeCloseTo(second, 4);
    expect(await of([1, 1, 0], [1, 0, 1])).toBeCloseTo((first + second) / 2, 6);
  });
});

describe("measureBits()", () => {
  test.each([2, 5, 13, 14, 100, 500])("%i ids take 3 bits each but the first", async (length) => {
    const ids = Int32Array.from({ length }, (_, i) => (i * 5) % 8);
    expect(await measureBits(runner, config, uniform, ids)).toBeCloseTo(3 * (length - 1), 3);
  });

  test("is the loss of the one window that a short text is", async () => {
    const ids = [3, 1, 4, 1, 5, 2, 6];
    const loss = jit(runner, languageModelLoss(config));
    const { data } = await loss(fresh, windows(ids), masked(ids.map(() => 1)));
    const bits = await measureBits(runner, config, fresh, ids);
    expect(bits).toBeCloseTo((data[0] * 6) / Math.LN2, 4);
    await loss.dispose();
  });

  test("needs an id to predict", async () => {
    await expect(measureBits(runner, config, uniform, [1])).rejects.toThrow(
      "measureBits: needs at least 2 ids, got 1",
    );
  });
});

describe("trainLanguageModel()", () => {
  /** 0 to 7 in a circle: after a few ids, all is known. */
  const circle = Int32Array.from({ length: 400 }, (_, i) => i % 8);
  const training = {
    params: fresh,
    batches: textBatches(circle, 8, 13, key),
    steps: 100,
    learningRate: 0.01,
  };

  test("learns a text, and measureBits sees it", async () => {
    const { params, step } = await trainLanguageModel(runner, config, training);
    expect(step).toBe(100);
    expect((await measureBits(runner, config, params, circle)) / 399).toBeLessThan(0.1);
  });

  test("ends where it is enough", async () => {
    const seen: number[] = [];
    const { step } = await trainLanguageModel(runner, config, {
      ...training,
      enough: async (params, done) => {
        seen.push((await measureBits(runner, config, params, circle.slice(0, 50))) / 49);
        return done === 3;
      },
    });
    expect(step).toBe(3);
    expect(seen.toSorted((a, b) => b - a)).toEqual(seen);
  });
});

describe("textBatches()", () => {
  test("counts all ids of windows of the text", () => {
    const [batch, mask] = textBatches([1, 2, 3, 4], 2, 4, key)(0).next().value;
    expect(batch).toEqual(windows([1, 2, 3, 4], [1, 2, 3, 4]));
    expect(mask).toEqual(masked([1, 1, 1, 1], [1, 1, 1, 1]));
  });

  test("needs a text of a window", () => {
    expect(() => textBatches([1, 2], 2, 4, key)).toThrow(
      "randomWindows: a window has 4 ids, but the text only 2; shorten the window",
    );
  });
});
