/** Fits a line by gradient descent: the loss is a function on tensors, its gradient another, and ONNX Runtime runs both. */
import {
  add,
  type HostTensor,
  jit,
  mapTree,
  mul,
  square,
  sub,
  sum,
  type Tensor,
  valueAndGrad,
} from "@veridraft/autodiff";
import { createGraphRunner } from "@veridraft/engine-onnx";

type Line<T> = { slope: T; offset: T };

const xs = { data: Float32Array.of(0, 1, 2, 3), shape: [4] };
const ys = { data: Float32Array.of(1, 3, 5, 7), shape: [4] };

const loss = ({ slope, offset }: Line<Tensor>, x: Tensor, y: Tensor): Tensor =>
  sum(square(sub(add(mul(x, slope), offset), y)));

const step = jit(createGraphRunner(), valueAndGrad(loss));

let line: Line<HostTensor> = {
  slope: { data: Float32Array.of(0), shape: [] },
  offset: { data: Float32Array.of(0), shape: [] },
};
for (let i = 0; i < 200; i++) {
  const [, gradients] = await step(line, xs, ys);
  line = mapTree(
    ({ data, shape }: HostTensor, _, { data: slopes }) => ({
      data: Float32Array.from(data, (value, j) => value - 0.05 * slopes[j]),
      shape,
    }),
    line,
    gradients,
  );
}
await step.dispose();
console.log(`y = ${line.slope.data[0].toFixed(3)} x + ${line.offset.data[0].toFixed(3)}`);
// -> y = 2.000 x + 1.000
