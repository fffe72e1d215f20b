import { adamW, type HostTensor, jit, train, valueAndGrad } from "@veridraft/autodiff";
import { argmax, createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { draftLoss, type HeadBatch, recurrentHead } from "@veridraft/spec-decoding/training";
import { afterAll, describe, expect, it } from "vitest";

const [width, tapWidth, hidden, n, count, steps, k] = [8, 24, 16, 6, 40, 2, 3];
const rng = createRng(4).at(0, "sample");
const numbers = (...shape: number[]): HostTensor => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.uniform() - 0.5),
  shape,
});

const runner = createGraphRunner({ threads: 1 });
const guess = jit(runner, recurrentHead.logits);
const loss = jit(runner, draftLoss(recurrentHead.logits));
const step = jit(runner, valueAndGrad(draftLoss(recurrentHead.logits)));
afterAll(() => Promise.all([guess.dispose(), loss.dispose(), step.dispose()]));

const output = numbers(n, width);
const params = recurrentHead.init(
  { width, tapWidth, hidden },
  new Float32Array(width).fill(2),
  rng,
);
/** What follows an anchor hangs on its hidden states, and on the tokens that are read. */
const taps = numbers(count, tapWidth);
const embedding = numbers(n, width);
const read = Array.from({ length: count * steps }, () => Math.floor(rng.uniform() * n));
const tokens: HostTensor = {
  data: Float32Array.from(
    read.flatMap((id) => [...embedding.data.subarray(id * width, (id + 1) * width)]),
  ),
  shape: [count, steps, width],
};
const places: HostTensor = {
  data: Int32Array.from({ length: count * steps * k }, (_, i) => (i % k) + (((i / k) % 3) | 0)),
  shape: [count, steps, k],
};
const probs: HostTensor = {
  data: Float32Array.from({ length: count * steps * k }, (_, i) => [0.7, 0.2, 0][i % k]),
  shape: [count, steps, k],
};
const batch: HeadBatch<HostTensor> = { taps, tokens, places, probs };

const normed = (row: Float32Array): Float32Array => {
  const scale = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length + 1e-5);
  return row.map((x) => x / scale);
};
const times = (row: Float32Array, { data, shape }: HostTensor): Float32Array =>
  Float32Array.from({ length: shape[1] }, (_, j) =>
    row.reduce((sum, x, i) => sum + x * data[i * shape[1] + j], 0),
  );

/** The first step of an anchor as the formula has it; all gains but the last are 1 at first, that one is 0.24. */
function firstLogits(anchor: number): number[] {
  const layers = [0, 1, 2].map((layer) => {
    const at = anchor * tapWidth + layer * width;
    return [...normed(taps.data.subarray(at, at + width) as Float32Array)];
  });
  const state = times(Float32Array.from(layers.flat()), params.taps.weight);
  const at = anchor * steps * width;
  const token = tokens.data.subarray(at, at + width) as Float32Array;
  const mixed = times(Float32Array.from([...normed(state), ...normed(token)]), params.mix.weight);
  const inner = normed(mixed);
  const { gate, up, down } = params.mlp;
  const raised = times(inner, up.weight);
  const gated = times(inner, (gate ?? up).weight).map(
    (x, i) => (x / (1 + Math.exp(-x))) * raised[i],
  );
  const lowered = times(gated, down.weight);
  const last = normed(mixed.map((x, i) => x + lowered[i]));
  return Array.from({ length: n }, (_, id) =>
    last.reduce((sum, x, i) => sum + 0.24 * x * output.data[id * width + i], 0),
  );
}

describe("recurrentHead", () => {
  it("is the formula", async () => {
    const [first, second] = await guess(params, taps, tokens, output);
    expect(second.shape).toEqual([count, n]);
    for (const anchor of [0, 7, 39]) {
      const row = first.data.subarray(anchor * n, (anchor + 1) * n);
      firstLogits(anchor).forEach((expected, i) => expect(row[i]).toBeCloseTo(expected, 5));
    }
  });
});

describe("draftLoss()", () => {
  it("is the cross-entropy to what the target likes, a second token weighing 0.8", async () => {
    const rows = await guess(params, taps, tokens, output);
    let expected = 0;
    rows.forEach(({ data }, j) => {
      for (let i = 0; i < count; i++) {
        const row = data.subarray(i * n, (i + 1) * n) as Float32Array;
        const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
        for (let m = 0; m < k; m++) {
          const at = (i * steps + j) * k + m;
          expected += (0.8 ** j * probs.data[at] * (total - row[places.data[at]])) / count;
        }
      }
    });
    const { data } = await loss(params, output, batch);
    expect(data[0]).toBeCloseTo(expected, 5);
  });

  it("is 0 after the end of a text, and leaves the tokens of the target as they are", async () => {
    const ended = { ...probs, data: new Float32Array(probs.data.length) };
    const [{ data }, gradients] = await step(params, output, { ...batch, probs: ended });
    expect(data[0]).toBe(0);
    expect(Object.keys(gradients)).toEqual(Object.keys(params));
  });

  it("teaches what comes first and second", async () => {
    const said = read.map(
      (id, i) => (id + Math.round(4 + 4 * taps.data[Math.floor(i / steps) * tapWidth])) % n,
    );
    const one = [count, steps, 1];
    const target = {
      places: { data: Int32Array.from(said), shape: one },
      probs: { data: new Float32Array(said.length).fill(1), shape: one },
    };
    const learned = await train({
      step,
      params,
      optimizer: adamW({ learningRate: 1e-2 }),
      batches: function* forever() {
        for (;;) yield [output, { ...batch, ...target }] as [HostTensor, HeadBatch<HostTensor>];
      },
      steps: 150,
    });
    const rows = await guess(learned.params, taps, tokens, output);
    const right = said.filter((id, i) => {
      const anchor = Math.floor(i / steps);
      const { data } = rows[i % steps];
      return argmax(data.subarray(anchor * n, (anchor + 1) * n) as Float32Array) === id;
    });
    expect(right.length).toBe(said.length);
  });
});
