/** Trains on a device, for devices.test.ts: prints how far the loss and the gradients of a small transformer are from the CPU's. */
import {
  add,
  attention,
  crossEntropy,
  gather,
  gelu,
  type HostTensor,
  jit,
  layerNorm,
  matmul,
  reshape,
  rmsNorm,
  silu,
  split,
  type Tensor,
  transpose,
  treeLeaves,
  valueAndGrad,
} from "@veridraft/autodiff";
import { createGraphRunner, type Device } from "@veridraft/engine-onnx";

type Model<T> = Readonly<
  Record<"table" | "norm" | "qkv" | "out" | "norm2" | "bias2" | "up" | "down", T>
>;

function loss(model: Model<Tensor>, ids: Tensor): Tensor {
  const x = gather(model.table, ids);
  const [q, k, v] = split(matmul(rmsNorm(x, model.norm), model.qkv), [8, 8, 8], -1).map((each) =>
    transpose(reshape(each, [2, 6, 2, 4]), [0, 2, 1, 3]),
  );
  const mixed = transpose(attention(q, k, v, { causal: true }), [0, 2, 1, 3]);
  const y = add(x, matmul(reshape(mixed, [2, 6, 8]), model.out));
  const up = matmul(layerNorm(y, model.norm2, model.bias2), model.up);
  const logits = matmul(matmul(add(gelu(up), silu(up)), model.down), model.table, {
    transposeB: true,
  });
  return crossEntropy(logits, ids);
}

function weights(...shape: number[]): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return { data: Float32Array.from({ length: size }, (_, i) => Math.sin(i + size)), shape };
}

const model: Model<HostTensor> = {
  table: weights(11, 8),
  norm: weights(8),
  qkv: weights(8, 24),
  out: weights(8, 8),
  norm2: weights(8),
  bias2: weights(8),
  up: weights(8, 12),
  down: weights(12, 8),
};
const ids: HostTensor = {
  data: Int32Array.from({ length: 12 }, (_, i) => (i * i) % 11),
  shape: [2, 6],
};

async function run(device: Device): Promise<number[]> {
  const step = jit(createGraphRunner({ device, threads: 1 }), valueAndGrad(loss));
  const results = await step(model, ids);
  await step.dispose();
  return treeLeaves<HostTensor>(results).flatMap(({ leaf }) => [...leaf.data]);
}

const [found, expected] = [await run(process.argv[2] as Device), await run("cpu")];
const distance = Math.max(...expected.map((value, i) => Math.abs(value - found[i])));
process.stdout.write(JSON.stringify({ loss: found[0], count: found.length, distance }));
