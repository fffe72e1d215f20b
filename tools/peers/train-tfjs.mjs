// The training of TensorFlow.js as a process, for comparisons, on its WASM backend: the requests and answers of train-jax.mjs.
//
// The backend has no threads in Node. Two gradients are written out here: that of a kernel of a convolution, which the backend lacks, as a convolution
// itself, with batch and channels exchanged; and that of a product of matrices, since the backend takes ten times as long where it transposes itself.
import * as tf from "@tensorflow/tfjs";
import { setThreadsCount } from "@tensorflow/tfjs-backend-wasm";
import { readTraining, serveTraining, versionOf } from "./training-file.mjs";

setThreadsCount(1);
await tf.setBackend("wasm");
const { params: stored, batches: storedBatches, workload } = readTraining();
const tensorOf = ({ data, shape }) =>
  tf.tensor(data, shape, data instanceof Int32Array ? "int32" : "float32");
const batches = storedBatches.map(({ x, y }) => ({ x: tensorOf(x), y: tensorOf(y) }));

/** x over its last axis. */
function layerNorm(x, weight, bias) {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(weight).add(bias);
}

const product = tf.customGrad((a, b, save) => {
  save([a, b]);
  return {
    value: tf.matMul(a, b),
    gradFunc: (dy, [left, right]) => [
      tf.matMul(dy, right.transpose()),
      tf.matMul(left.transpose(), dy),
    ],
  };
});

/** x [batch, length, inputs] times weight [inputs, outputs]. */
function linear(x, weight) {
  const [inputs, outputs] = weight.shape;
  return product(x.reshape([-1, inputs]), weight).reshape([...x.shape.slice(0, -1), outputs]);
}

const gelu = (x) => x.mul(Math.SQRT1_2).erf().add(1).mul(x).mul(0.5);

function transformer(p, x) {
  const [batch, length] = x.shape;
  const { heads, layers, mlp } = workload;
  const [vocabulary, width] = p.embedding.shape;
  const bias = tf.linalg
    .bandPart(tf.ones([length, length]), -1, 0)
    .sub(1)
    .mul(1e9);
  const norm = (name, rows) => layerNorm(rows, p[`${name}.weight`], p[`${name}.bias`]);
  let rows = linear(tf.oneHot(x, vocabulary).cast("float32"), p.embedding).add(p.positions);
  for (let layer = 0; layer < layers; layer++) {
    const weight = (part) => p[`blocks.${layer}.${part}.weight`];
    const seen = norm(`blocks.${layer}.attentionNorm`, rows);
    const [q, k, v] = ["query", "key", "value"].map((part) =>
      linear(seen, weight(part))
        .reshape([batch, length, heads, width / heads])
        .transpose([0, 2, 1, 3]),
    );
    const scores = tf.matMul(q.mul((width / heads) ** -0.5), k, false, true).add(bias);
    const mixed = tf.matMul(tf.softmax(scores), v).transpose([0, 2, 1, 3]);
    rows = rows.add(linear(mixed.reshape([batch, length, width]), weight("output")));
    const raised = linear(norm(`blocks.${layer}.mlpNorm`, rows), weight("mlp.up"));
    rows = rows.add(linear(mlp === "gelu" ? gelu(raised) : raised.relu(), weight("mlp.down")));
  }
  return product(norm("norm", rows).reshape([-1, width]), p.embedding.transpose());
}

/** A convolution of 5 x 5 with stride 2 and padding 2; x [batch, height, width, in], kernel [5, 5, in, out]. */
const conv = tf.customGrad((x, kernel, save) => {
  save([x, kernel]);
  return {
    value: tf.conv2d(x, kernel, 2, 2, "NHWC", [1, 1]),
    gradFunc(dy, [image, weights]) {
      const found = tf.conv2d(
        image.transpose([3, 1, 2, 0]),
        dy.transpose([1, 2, 0, 3]),
        1,
        2,
        "NHWC",
        [2, 2],
      );
      const [inputs, , , outputs] = found.shape;
      const kernelGradient = found.slice([0, 0, 0, 0], [inputs, 5, 5, outputs]);
      return [
        tf.conv2dTranspose(dy, weights, image.shape, 2, 2),
        kernelGradient.transpose([1, 2, 0, 3]),
      ];
    },
  };
});

function convolutions(p, x) {
  let seen = x.transpose([0, 2, 3, 1]);
  for (const i of [0, 1]) {
    const kernel = p[`convs.${i}.weight`].transpose([2, 3, 1, 0]);
    seen = conv(seen, kernel).add(p[`convs.${i}.bias`]).relu();
  }
  const flat = seen.transpose([0, 3, 1, 2]).reshape([x.shape[0], -1]);
  const hidden = product(flat, p["hidden.weight"]).add(p["hidden.bias"]).relu();
  return product(hidden, p["head.weight"]).add(p["head.bias"]);
}

const forward = workload.kind === "transformer" ? transformer : convolutions;

function lossOf(p, { x, y }) {
  const logits = forward(p, x);
  const targets = tf.oneHot(y.flatten(), logits.shape[1]).cast("float32");
  return tf.logSoftmax(logits).mul(targets).sum(-1).mean().neg();
}

const { learningRate, beta1, beta2, epsilon, weightDecay, clip } = workload.optimizer;
const names = Object.keys(stored);

/** The next parameters and moments. */
function update({ p, m, v }, gradients, step) {
  const squares = names.map((name) => gradients[name].square().sum());
  const norm = tf.addN(squares).sqrt();
  const factor = tf.scalar(clip).div(tf.maximum(norm, clip));
  const next = { p: {}, m: {}, v: {} };
  for (const name of names) {
    const gradient = gradients[name].mul(factor);
    next.m[name] = m[name].mul(beta1).add(gradient.mul(1 - beta1));
    next.v[name] = v[name].mul(beta2).add(gradient.square().mul(1 - beta2));
    const mean = next.m[name].div(1 - beta1 ** step);
    const deviation = next.v[name].div(1 - beta2 ** step).sqrt();
    const direction = mean.div(deviation.add(epsilon)).add(p[name].mul(weightDecay));
    next.p[name] = p[name].sub(direction.mul(learningRate));
  }
  return next;
}

const treeOf = (make) => Object.fromEntries(names.map((name) => [name, make(stored[name])]));

async function train(steps) {
  let state = {
    p: treeOf((each) => tf.variable(tensorOf(each))),
    m: treeOf(({ shape }) => tf.zeros(shape)),
    v: treeOf(({ shape }) => tf.zeros(shape)),
  };
  const losses = [];
  const start = performance.now();
  for (let step = 0; step < steps; step++) {
    const batch = batches[step % batches.length];
    const [loss, next] = tf.tidy(() => {
      const found = tf.variableGrads(() => lossOf(state.p, batch), Object.values(state.p));
      const gradients = Object.fromEntries(
        names.map((name) => [name, found.grads[state.p[name].name]]),
      );
      return [found.value, update(state, gradients, step + 1)];
    });
    for (const name of names) state.p[name].assign(next.p[name]);
    tf.dispose([state.m, state.v, next.p]);
    state = { p: state.p, m: next.m, v: next.v };
    losses.push((await loss.data())[0]);
    loss.dispose();
  }
  const ms = performance.now() - start;
  tf.dispose(state);
  return { ms, losses };
}

await serveTraining(`TensorFlow.js ${versionOf("@tensorflow/tfjs")} (WASM, one thread)`, train);
