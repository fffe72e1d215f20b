/** Kinds of drafts on a toy text: what follows hangs on the last two tokens, the first of which is in the hidden state and the second of which was drawn after it. */
import { adamW, type HostTensor, jit, train, valueAndGrad } from "@veridraft/autodiff";
import { argmax, createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import {
  type DraftKind,
  draftKinds,
  draftLoss,
  type HeadBatch,
} from "@veridraft/spec-decoding/training";

const [width, size, anchors, steps] = [64, 12, 256, 2];
const rng = createRng(1).at(0, "sample");
const tensor = (values: number[], ...shape: number[]): HostTensor => ({
  data: Float32Array.from(values),
  shape,
});
const table = Array.from({ length: size }, () =>
  Array.from({ length: width }, () => rng.uniform() - 0.5),
);

const text = [1, 2];
while (text.length < anchors + 4) {
  const [a, b] = text.slice(-2);
  text.push(rng.uniform() < 0.8 ? (a + b) % size : Math.floor(rng.uniform() * size));
}
const places = Array.from({ length: anchors }, (_, i) => i);
const next = places.flatMap((i) => [0, 1].map((j) => (text[i + j] + text[i + j + 1]) % size));
const batch: HeadBatch<HostTensor> = {
  taps: tensor(
    places.flatMap((i) => [1, 1, 1].flatMap(() => table[text[i]])),
    anchors,
    3 * width,
  ),
  tokens: tensor(
    places.flatMap((i) => [...table[text[i + 1]], ...table[text[i + 2]]]),
    anchors,
    steps,
    width,
  ),
  places: { data: Int32Array.from(next), shape: [anchors, steps, 1] },
  probs: tensor(
    next.map(() => 1),
    anchors,
    steps,
    1,
  ),
};
const output = tensor(table.flat(), size, width);
const runner = createGraphRunner({ threads: 1 });

for (const [name, each] of Object.entries(draftKinds)) {
  const kind = each as unknown as DraftKind<{ [name: string]: HostTensor }, never>;
  const sizes = { width, tapWidth: 3 * width, hidden: 64 };
  const { params } = await train({
    step: jit(runner, valueAndGrad(draftLoss(kind.logits))) as never,
    params: kind.init(sizes, new Float32Array(width).fill(8), rng),
    optimizer: adamW({ learningRate: 3e-3 }),
    batches: function* forever() {
      for (;;) yield [output, batch] as [HostTensor, HeadBatch<HostTensor>];
    },
    steps: 60,
  });
  const guess = jit(runner, kind.logits) as unknown as (...args: object[]) => Promise<HostTensor[]>;
  const [first] = await guess(params, batch.taps, batch.tokens, output);
  const right = places.filter(
    (i) =>
      argmax(first.data.subarray(i * size, (i + 1) * size) as Float32Array) === next[steps * i],
  );
  console.log(`${name}: ${right.length > 0.9 * anchors ? "learns it" : "cannot know it"}`);
}
// -> recurrent: learns it
// -> medusa: cannot know it
// -> eagle: learns it
// -> lm: learns it
