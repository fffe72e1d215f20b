// The training of jax-js as a process, for comparisons, on its WASM backend.
//
//   node train-jax.mjs --file FILE [--threads 2]
//   out: {"version":"jax-js ..."}
//   in:  {"steps":4}      out: {"ms":3000,"losses":[6.2,6.1,6.0,5.9]}
//
// FILE is a safetensors file that `veridraft bench training` writes: first parameters, batches, and what to train on them. Each request trains from the
// first parameters on. A whole step, with its optimizer, is one compiled function. Attention is written out, since its own needs Node 22.
import { readTraining, serveTraining, threads, versionOf } from "./training-file.mjs";
import { provideWorkers } from "./web-workers.mjs";

if (threads > 1) provideWorkers(threads);
const {
  blockUntilReady,
  init,
  jit,
  lax,
  nn,
  numpy: np,
  tree,
  valueAndGrad,
} = await import("@jax-js/jax");
await init("wasm");

const { params: stored, batches: storedBatches, workload } = readTraining();
const arrayOf = ({ data, shape }) =>
  np.array(data, { shape, dtype: data instanceof Int32Array ? np.int32 : np.float32 });
const batches = storedBatches.map(({ x, y }) => ({ x: arrayOf(x), y: arrayOf(y) }));

// A function takes over its arguments: `.ref` keeps what is used again.

/** x over its last axis. */
function layerNorm(x, weight, bias) {
  const centered = x.ref.sub(np.mean(x, -1, { keepdims: true }));
  const variance = np.mean(np.square(centered.ref), -1, { keepdims: true });
  return centered
    .div(np.sqrt(variance.add(1e-5)))
    .mul(weight)
    .add(bias);
}

function transformer(p, x) {
  const [batch, length] = x.shape;
  const { heads, layers, mlp } = workload;
  const [, width] = p.embedding.shape;
  const norm = (name, rows) => layerNorm(rows, p[`${name}.weight`], p[`${name}.bias`]);
  let rows = np.take(p.embedding.ref, x, 0).add(p.positions);
  for (let layer = 0; layer < layers; layer++) {
    const weight = (part) => p[`blocks.${layer}.${part}.weight`];
    const seen = norm(`blocks.${layer}.attentionNorm`, rows.ref);
    const [q, k, v] = [seen.ref, seen.ref, seen].map((each, i) => {
      const part = np.matmul(each, weight(["query", "key", "value"][i]));
      return np.transpose(part.reshape([batch, length, heads, width / heads]), [0, 2, 1, 3]);
    });
    const scores = np.matmul(q.mul((width / heads) ** -0.5), np.transpose(k, [0, 1, 3, 2]));
    const seenScores = np.where(np.tri(length, length, 0, { dtype: np.bool }), scores, -1e9);
    const mixed = np.transpose(np.matmul(nn.softmax(seenScores), v), [0, 2, 1, 3]);
    rows = rows.add(np.matmul(mixed.reshape([batch, length, width]), weight("output")));
    const raised = np.matmul(norm(`blocks.${layer}.mlpNorm`, rows.ref), weight("mlp.up"));
    const active = mlp === "gelu" ? nn.gelu(raised, { approximate: false }) : nn.relu(raised);
    rows = rows.add(np.matmul(active, weight("mlp.down")));
  }
  return np.matmul(norm("norm", rows).reshape([-1, width]), np.transpose(p.embedding));
}

function convolutions(p, x) {
  let seen = x;
  for (const i of [0, 1]) {
    const padding = [
      [2, 2],
      [2, 2],
    ];
    const found = lax.conv(seen, p[`convs.${i}.weight`], [2, 2], padding);
    seen = nn.relu(found.add(p[`convs.${i}.bias`].reshape([-1, 1, 1])));
  }
  const flat = seen.reshape([x.shape[0], -1]);
  const hidden = nn.relu(np.matmul(flat, p["hidden.weight"]).add(p["hidden.bias"]));
  return np.matmul(hidden, p["head.weight"]).add(p["head.bias"]);
}

const forward = workload.kind === "transformer" ? transformer : convolutions;

function lossOf(p, x, y) {
  const logits = forward(p, x);
  const targets = nn.oneHot(y.reshape([-1]), logits.shape[1]);
  return np.mean(np.sum(nn.logSoftmax(logits).mul(targets), -1)).neg();
}

const { learningRate, beta1, beta2, epsilon, weightDecay, clip } = workload.optimizer;
const names = Object.keys(stored);

/** The loss, and the next parameters and moments. @param scales 1 / (1 - beta^step) of both moments. */
const trainStep = jit((p, m, v, scales, x, y) => {
  const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(p), x, y);
  const squares = names.map((name) => np.sum(np.square(gradients[name].ref)));
  const norm = np.sqrt(squares.reduce((sum, each) => sum.add(each)));
  const factor = np.array(clip).div(np.maximum(norm, clip));
  const next = { p: {}, m: {}, v: {} };
  for (const name of names) {
    const gradient = gradients[name].mul(factor.ref);
    const mean = m[name].mul(beta1).add(gradient.ref.mul(1 - beta1));
    const square = v[name].mul(beta2).add(np.square(gradient).mul(1 - beta2));
    next.m[name] = mean.ref;
    next.v[name] = square.ref;
    const deviation = np.sqrt(square.mul(scales.square.ref)).add(epsilon);
    const direction = mean.mul(scales.mean.ref).div(deviation).add(p[name].ref.mul(weightDecay));
    next.p[name] = p[name].sub(direction.mul(learningRate));
  }
  tree.dispose([factor, scales]);
  return [loss, next.p, next.m, next.v];
});

const treeOf = (make) => Object.fromEntries(names.map((name) => [name, make(stored[name])]));

async function train(steps) {
  let p = treeOf(arrayOf);
  let m = treeOf(({ shape }) => np.zeros(shape));
  let v = treeOf(({ shape }) => np.zeros(shape));
  const losses = [];
  const start = performance.now();
  for (let step = 0; step < steps; step++) {
    const { x, y } = batches[step % batches.length];
    const scales = {
      mean: np.array(1 / (1 - beta1 ** (step + 1))),
      square: np.array(1 / (1 - beta2 ** (step + 1))),
    };
    let loss;
    [loss, p, m, v] = trainStep(p, m, v, scales, x.ref, y.ref);
    losses.push((await loss.data())[0]);
    await blockUntilReady([p, m, v]);
  }
  const ms = performance.now() - start;
  tree.dispose([p, m, v]);
  return { ms, losses };
}

await serveTraining(`jax-js ${versionOf("@jax-js/jax")} (WASM, threads by workers)`, train);
