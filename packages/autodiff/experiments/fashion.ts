/**
 * A convolutional network learns to tell ten kinds of clothes apart, in two epochs of Fashion-MNIST.
 *
 * Xiao et al., "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017, arXiv:1708.07747.
 */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import {
  adamW,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  crossEntropy,
  type HostTensor,
  jit,
  relu,
  reshape,
  shuffledRows,
  takeRows,
  type Tensor,
  train,
  valueAndGrad,
  warmUp,
} from "@veridraft/autodiff";
import { type Conv, conv, initConv, initLinear, type Linear, linear } from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";

const folder = "/usr/share/datasets/fashion-mnist";
/** For `npm run experiments`: what is needed is not here. */
const skipped = 77;
if (!existsSync(folder)) {
  console.log(
    `skipped: no ${folder}; on Debian \`apt-get install dataset-fashion-mnist\` brings it`,
  );
  process.exit(skipped);
}

/** Reads a file of the IDX format: two bytes of zero, the type 8 for bytes, the number of axes, their sizes, the data. */
function readIdx(name: string): { readonly data: Uint8Array; readonly shape: readonly number[] } {
  const bytes = gunzipSync(readFileSync(`${folder}/${name}.gz`));
  const axes = bytes[3];
  const shape = Array.from({ length: axes }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  return { data: bytes.subarray(4 + 4 * axes), shape };
}

/** Images of about mean 0 and deviation 1, and their kinds. */
function readSet(name: string): { readonly images: HostTensor; readonly kinds: HostTensor } {
  const { data, shape } = readIdx(`${name}-images-idx3-ubyte`);
  const labels = readIdx(`${name}-labels-idx1-ubyte`);
  const pixels = new Float32Array(data);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (pixels[i] / 255 - 0.286) / 0.353;
  return {
    images: { data: pixels, shape },
    kinds: { data: Int32Array.from(labels.data), shape: labels.shape },
  };
}

type Network<T> = {
  readonly convs: readonly Conv<T>[];
  readonly hidden: Linear<T>;
  readonly head: Linear<T>;
};

/** 28 x 28 to 14 x 14 to 7 x 7, then two linear layers. */
function classify({ convs, hidden, head }: Network<Tensor>, images: Tensor): Tensor {
  const x = convs.reduce(
    (each, layer) => relu(conv(layer, each, { stride: 2, padding: 2 })),
    reshape(images, [-1, 1, 28, 28]),
  );
  return linear(head, relu(linear(hidden, reshape(x, [images.shape[0], 32 * 7 * 7]))));
}

const rng = createRng(1).at(0, "sample");
const params: Network<HostTensor> = {
  convs: [initConv(1, 16, 5, rng), initConv(16, 32, 5, rng)],
  hidden: initLinear(32 * 7 * 7, 128, rng, { bias: true }),
  head: initLinear(128, 10, rng, { bias: true }),
};

const [learned, tested] = ["train", "t10k"].map(readSet);
const batch = 128;
const steps = Math.floor((2 * 60_000) / batch);
const runner = createGraphRunner();
const step = jit(
  runner,
  valueAndGrad((network: Network<Tensor>, images: Tensor, kinds: Tensor) =>
    crossEntropy(classify(network, images), kinds),
  ),
);
const rows = shuffledRows(60_000, batch, createRng(2));
const start = performance.now();
const trained = await train({
  step,
  params,
  optimizer: chain(
    clipByGlobalNorm(1),
    adamW({ learningRate: warmUp(50, cosineSchedule({ peak: 2e-3, steps })) }),
  ),
  *batches(from): Generator<[HostTensor, HostTensor]> {
    for (const some of rows(from))
      yield [takeRows(learned.images, some), takeRows(learned.kinds, some)];
  },
  steps,
  onProgress({ step: done, loss, secondsLeft }) {
    if (done % 100 !== 0) return;
    process.stderr.write(
      `step ${done}: loss ${loss.toFixed(3)}, ${secondsLeft.toFixed(0)} s left\n`,
    );
  },
});
const seconds = (performance.now() - start) / 1000;

const predict = jit(runner, classify);
const { data: logits } = await predict(trained.params, tested.images);
const best = (row: Float32Array): number => row.indexOf(Math.max(...row));
const right = tested.kinds.data.filter(
  (kind, i) => best((logits as Float32Array).subarray(10 * i, 10 * i + 10)) === kind,
);
const accuracy = right.length / tested.kinds.data.length;
console.log(`in ${seconds.toFixed(0)} s, less than 180: ${seconds < 180}`);
console.log(`accuracy ${(100 * accuracy).toFixed(2)} %, at least 88: ${accuracy >= 0.88}`);
await Promise.all([step.dispose(), predict.dispose()]);
// -> in ... s, less than 180: true
// -> accuracy ... %, at least 88: true
