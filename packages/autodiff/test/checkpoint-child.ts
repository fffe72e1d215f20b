/** A process of its own, for its peak of memory: prints the loss, its gradient's sum, and the MiB that a training step added. */
import {
  add,
  checkpoint,
  grad,
  type HostTensor,
  jit,
  mean,
  mul,
  sin,
  type Tensor,
  tanh,
} from "@veridraft/autodiff";
import { createGraphRunner } from "@veridraft/engine-onnx";

const [blocks, elements] = [8, 2 ** 19];
const isCheckpointed = process.argv[2] === "checkpoint";

/** Six values that the backward pass needs. */
function block(x: Tensor, scale: Tensor): Tensor {
  return add(x, tanh(sin(tanh(sin(tanh(sin(mul(x, scale))))))));
}

const step = jit(
  createGraphRunner({ threads: 1 }),
  grad((scale: Tensor, x: Tensor): Tensor => {
    const run = isCheckpointed ? checkpoint(block) : block;
    let y = x;
    for (let i = 0; i < blocks; i++) y = run(y, scale);
    return mean(y);
  }),
);
const x: HostTensor = {
  data: Float32Array.from({ length: elements }, (_, i) => (i % 1000) / 1000),
  shape: [elements],
};
await step({ data: Float32Array.of(0.5), shape: [1] }, { data: x.data.slice(0, 10), shape: [10] });
const before = process.resourceUsage().maxRSS;
const gradient = await step({ data: Float32Array.of(0.5), shape: [1] }, x);
const grown = (process.resourceUsage().maxRSS - before) / 1024;
console.log(JSON.stringify({ gradient: gradient.data[0], grown }));
