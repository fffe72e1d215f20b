/** Trains a small network to tell two spirals apart, is cut off on the way, and goes on from its checkpoint as if nothing had happened. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adamW,
  add,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  crossEntropy,
  type HostTensor,
  jit,
  matmul,
  shuffledRows,
  takeRows,
  tanh,
  type Tensor,
  train,
  valueAndGrad,
  warmUp,
} from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";

interface Layer<T> {
  readonly [key: string]: T;
  readonly weight: T;
  readonly bias: T;
}

const forward = (layers: readonly Layer<Tensor>[], x: Tensor): Tensor =>
  layers.reduce(
    (hidden, { weight, bias }, i) => add(matmul(i === 0 ? hidden : tanh(hidden), weight), bias),
    x,
  );
const loss = (layers: readonly Layer<Tensor>[], x: Tensor, label: Tensor): Tensor =>
  crossEntropy(forward(layers, x), label);

const points = 400;
const noise = createRng(1).at(0, "sample");
const x = new Float32Array(2 * points);
const labels = Int32Array.from({ length: points }, (_, i) => i % 2);
for (let i = 0; i < points; i++) {
  const radius = 0.2 + (0.8 * i) / points;
  const angle = 9 * radius + Math.PI * labels[i] + 0.1 * (noise.uniform() - 0.5);
  x.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * i);
}
const inputs: HostTensor = { data: x, shape: [points, 2] };
const targets: HostTensor = { data: labels, shape: [points] };

const sizes = [2, 32, 32, 2];
const params = sizes.slice(1).map((outputs, i): Layer<HostTensor> => {
  const spread = Math.sqrt(3 / sizes[i]);
  const draw = (): number => (2 * noise.uniform() - 1) * spread;
  return {
    weight: {
      data: Float32Array.from({ length: sizes[i] * outputs }, draw),
      shape: [sizes[i], outputs],
    },
    bias: { data: new Float32Array(outputs), shape: [outputs] },
  };
});

const runner = createGraphRunner();
const step = jit(runner, valueAndGrad(loss));
const rows = shuffledRows(points, 64, createRng(2));
const steps = 600;
const options = {
  step,
  params,
  optimizer: chain(
    clipByGlobalNorm(1),
    adamW({ learningRate: warmUp(20, cosineSchedule({ peak: 0.01, steps })) }),
  ),
  async *batches(from: number): AsyncGenerator<[HostTensor, HostTensor]> {
    for (const some of rows(from)) yield [takeRows(inputs, some), takeRows(targets, some)];
  },
  steps,
};

const folder = mkdtempSync(join(tmpdir(), "spirals-"));
const checkpoint = { folder, every: 100 };
const stop = new AbortController();
const cut = await train({
  ...options,
  checkpoint,
  signal: stop.signal,
  onProgress: (progress) => progress.step === 250 && stop.abort(),
});
console.log(`cut off after ${cut.step} steps: ${readdirSync(folder).join(" ")}`);
const resumed = await train({ ...options, checkpoint });
const unbroken = await train(options);
const predict = jit(runner, forward);
const { data: logits } = await predict(resumed.params, inputs);
const right = labels.filter((label, i) => Number(logits[2 * i + 1] > logits[2 * i]) === label);
console.log(`more than 97 % right: ${right.length > 0.97 * points}`);
const same = resumed.params.every(({ weight }, i) =>
  weight.data.every((value, j) => value === unbroken.params[i].weight.data[j]),
);
console.log(`the same bits as without the cut: ${same}`);
await Promise.all([step.dispose(), predict.dispose()]);
rmSync(folder, { recursive: true });
// -> cut off after 250 steps: log.jsonl loss.svg step-250
// -> more than 97 % right: true
// -> the same bits as without the cut: true
