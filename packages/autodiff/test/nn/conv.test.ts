import { jit, type Tensor } from "@veridraft/autodiff";
import {
  conv,
  initConv,
  initResidualBlock,
  type Conv,
  type ResidualBlock,
  residualBlock,
} from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { expect, it } from "vitest";

const runner = createGraphRunner({ threads: 1 });
const rng = createRng(4).at(0, "sample");
const image = {
  data: Float32Array.from({ length: 32 }, (_, i) => i / 16 - 1),
  shape: [1, 2, 4, 4],
};

it("adds its bias to every pixel of a channel", async () => {
  const run = jit(runner, (params: Conv<Tensor>, x: Tensor) => conv(params, x, { padding: 1 }));
  const params = initConv(2, 3, 3, rng);
  const plain = await run(params, image);
  expect(plain.shape).toEqual([1, 3, 4, 4]);
  const biased = await run(
    { ...params, bias: { data: Float32Array.of(0, 1, 0), shape: [3] } },
    image,
  );
  const added = biased.data.map((x, i) => x - plain.data[i]);
  added.forEach((x, i) => expect(x).toBeCloseTo(i >= 16 && i < 32 ? 1 : 0, 6));
  await run.dispose();
});

it("a residual block of zero weights is the identity", async () => {
  const run = jit(runner, (params: ResidualBlock<Tensor>, x: Tensor) => residualBlock(params, x));
  const params = initResidualBlock(2, 4, rng);
  const { data } = await run(params, image);
  expect(data).not.toEqual(image.data);
  const pointwise = {
    ...params.pointwise,
    weight: { data: new Float32Array(8), shape: [2, 4, 1, 1] },
  };
  expect((await run({ ...params, pointwise }, image)).data).toEqual(image.data);
  await run.dispose();
});
