import { type HostTensor, jit, mul, sum, type Tensor } from "@veridraft/autodiff";
import {
  gridAngles,
  initTransformer,
  logitsOf,
  rotaryAngles,
  type Transformer,
  transformer,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { describe, expect, it } from "vitest";

const runner = createGraphRunner({ threads: 1 });
const llama: TransformerConfig = {
  vocabSize: 11,
  contextLength: 16,
  layers: 2,
  width: 16,
  heads: 4,
  kvHeads: 2,
  hidden: 24,
  mlp: "swiglu",
  norm: "rms",
  rotaryBase: 10_000,
  tied: false,
};
const gpt: TransformerConfig = {
  ...llama,
  kvHeads: 4,
  mlp: "relu",
  norm: "layer",
  rotaryBase: null,
  tied: true,
  bias: true,
};

async function logits(
  config: TransformerConfig,
  params: Transformer<HostTensor>,
  ids: readonly number[][],
): Promise<Float32Array> {
  const run = jit(runner, (p: Transformer<Tensor>, x: Tensor) =>
    logitsOf(p, transformer(p, x, config)),
  );
  const shape = [ids.length, ids[0].length];
  const { data, shape: given } = await run(params, { data: Int32Array.from(ids.flat()), shape });
  expect(given).toEqual([...shape, config.vocabSize]);
  await run.dispose();
  return data as Float32Array;
}

const seeded = (config: TransformerConfig): Transformer<HostTensor> =>
  initTransformer(config, createRng(1).at(0, "sample"), 0.3);

/** Of normal values around 0. */
function deviation({ data }: HostTensor): number {
  return Math.sqrt(Array.from(data).reduce((total, x) => total + x * x, 0) / data.length);
}

/** A function of one position, 0. */
function atZero(f: (x: Tensor) => Tensor): Promise<HostTensor> {
  return jit(runner, f)({ data: Int32Array.of(0), shape: [1] });
}

describe.each(Object.entries({ llama, gpt }))("transformer() as %s", (_, config) => {
  it("has rows that no later row can change, nor another text of the batch", async () => {
    const params = seeded(config);
    const one = await logits(config, params, [[1, 2, 3, 4]]);
    const both = await logits(config, params, [
      [1, 2, 9, 9],
      [5, 5, 5, 5],
    ]);
    const width = config.vocabSize;
    const apart = (row: number): number =>
      Math.max(
        ...one
          .slice(row * width, (row + 1) * width)
          .map((x, i) => Math.abs(x - both[row * width + i])),
      );
    // Sums of another batch in another order.
    expect(Math.max(apart(0), apart(1))).toBeLessThan(1e-5);
    expect(apart(2)).toBeGreaterThan(1e-2);
  });

  it("sees in what order the rows before stand", async () => {
    const params = seeded(config);
    const [ab, ba] = await Promise.all([
      logits(config, params, [[1, 2, 3]]),
      logits(config, params, [[2, 1, 3]]),
    ]);
    expect(Math.abs(ab[2 * 11] - ba[2 * 11])).toBeGreaterThan(1e-3);
  });
});

describe("initTransformer()", () => {
  it("gives the same values for a seed, and others for another", () => {
    expect(seeded(llama)).toEqual(seeded(llama));
    const other = initTransformer(llama, createRng(2).at(0, "sample"), 0.3);
    expect(other.embedding.data).not.toEqual(seeded(llama).embedding.data);
  });

  it("makes what adds to the rows smaller, by the root of twice the layers", () => {
    const wide = initTransformer({ ...llama, width: 64, heads: 4 }, createRng(1).at(0, "sample"));
    // 4096 draws: the deviation of a deviation is 1.1 %.
    expect(deviation(wide.blocks[0].query.weight)).toBeCloseTo(0.02, 3);
    expect(deviation(wide.blocks[0].output.weight)).toBeCloseTo(0.01, 3);
  });

  it.each([
    [{ ...llama, width: 18 }, "transformer: 4 heads must divide the width 18, and 2 heads"],
    [{ ...llama, kvHeads: 3 }, "transformer: 4 heads must divide the width 16, and 3 heads"],
  ])("refuses heads that do not divide", (config, message) => {
    expect(() => seeded(config)).toThrow(message);
  });
});

describe("positions", () => {
  it("turn a pair by position times base to the power of -2 j / headDim, over the divisor", async () => {
    const run = jit(runner, (x: Tensor) => {
      const { cos } = rotaryAngles(x, 4, 100);
      return { cos, divided: rotaryAngles(x, 4, 100, [1, 2]).cos };
    });
    const { cos, divided } = await run({ data: Int32Array.of(0, 3), shape: [2] });
    // cos(0), cos(0), cos(3 * 1), cos(3 * 100^(-1/2)), and cos(0.3 / 2).
    expect([...cos.data].map((x) => x.toFixed(5))).toEqual([
      "1.00000",
      "1.00000",
      "-0.98999",
      "0.95534",
    ]);
    expect(divided.data[3]).toBeCloseTo(Math.cos(0.15), 6);
    await run.dispose();
  });

  it("of a grid turn half of the pairs with the row and half with the column", async () => {
    const run = jit(
      runner,
      (rows: Tensor, columns: Tensor) => gridAngles(rows, columns, 8, 100).sin,
    );
    const { data, shape } = await run(
      { data: Int32Array.of(2), shape: [1] },
      { data: Int32Array.of(5), shape: [1] },
    );
    expect(shape).toEqual([1, 4]);
    // Frequencies 1 and 100^(-1/2) for each.
    [2, 0.2, 5, 0.5].forEach((angle, i) => expect(data[i]).toBeCloseTo(Math.sin(angle), 6));
    await run.dispose();
  });

  it("need an even number of elements, on a grid a multiple of 4", async () => {
    await expect(atZero((x) => sum(rotaryAngles(x, 5, 10).cos))).rejects.toThrow(
      "rotary positions: headDim must be a multiple of 2, got 5",
    );
    await expect(atZero((x) => mul(sum(gridAngles(x, x, 6, 10).cos), 1))).rejects.toThrow(
      "rotary positions: headDim must be a multiple of 4, got 6",
    );
  });
});
