import { adamW, type HostTensor, jit, train, valueAndGrad } from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import {
  type DraftKind,
  draftLoss,
  eagle,
  type HeadBatch,
  medusa,
  smallModel,
} from "@veridraft/spec-decoding/training";
import { describe, expect, it } from "vitest";

const [width, tapWidth, n, window, steps] = [64, 192, 12, 32, 2];
const count = 2 * window;
const rng = createRng(8).at(0, "sample");
const numbers = (...shape: number[]): HostTensor => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.uniform() - 0.5),
  shape,
});
const taps = numbers(count, tapWidth);
const output = numbers(n, width);
const embedding = numbers(n, width);
const runner = createGraphRunner({ threads: 1 });

type Kind = DraftKind<object, never>;
type Run = (
  params: object,
  taps: HostTensor,
  tokens: HostTensor,
  output: HostTensor,
) => Promise<HostTensor[]>;

/** Of two windows, each a text of its own: anchor i reads tokens i + 1 and i + 2. */
function tokensOf(texts: readonly (readonly number[])[]): HostTensor {
  const rows = texts.flatMap((text) =>
    Array.from({ length: window }, (_, i) => [text[i + 1], text[i + 2]]),
  );
  const data = rows
    .flat()
    .flatMap((id) => [...embedding.data.subarray(id * width, (id + 1) * width)]);
  return { data: Float32Array.from(data), shape: [count, steps, width] };
}
const texts = [0, 1].map(() =>
  Array.from({ length: window + steps }, () => Math.floor(rng.uniform() * n)),
);

describe.each<[string, unknown, boolean]>([
  ["medusa", medusa, false],
  ["eagle", eagle, true],
  ["lm", smallModel, true],
])("%s", (_, made, reads) => {
  const kind = made as Kind;
  const params = kind.init({ width, tapWidth, hidden: 64 }, new Float32Array(width).fill(4), rng);

  it("sees what an anchor has read, and nothing that comes after", async () => {
    const guess = jit(runner, kind.logits) as unknown as Run;
    const changed = texts.map((text) => [...text]);
    const at = 20;
    changed[0][at] = (changed[0][at] + 1) % n;
    const before = await guess(params, taps, tokensOf(texts), output);
    const after = await guess(params, taps, tokensOf(changed), output);
    before.forEach(({ data }, step) => {
      for (let i = 0; i < count; i++) {
        const differs = Array.from({ length: n }, (__, k) => i * n + k).some(
          (place) => data[place] !== after[step].data[place],
        );
        const hasRead = reads && i < window && i + 1 + step >= at;
        expect([step, i, differs]).toEqual([step, i, hasRead]);
      }
    });
  });

  it("learns", async () => {
    const places = Int32Array.from({ length: count * steps }, (__, i) => (3 * (i >> 1) + i) % n);
    const probs = new Float32Array(places.length).fill(1);
    const shape = [count, steps, 1];
    const batch = {
      taps,
      tokens: tokensOf(texts),
      places: { data: places, shape },
      probs: { data: probs, shape },
    };
    const losses: number[] = [];
    await train({
      step: jit(runner, valueAndGrad(draftLoss(kind.logits))) as never,
      params: params as never,
      optimizer: adamW({ learningRate: 3e-3 }),
      batches: function* forever() {
        for (;;) yield [output, batch] as [HostTensor, HeadBatch<HostTensor>];
      },
      steps: 20,
      onProgress: ({ loss }) => losses.push(loss),
    });
    expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]);
  });
});
