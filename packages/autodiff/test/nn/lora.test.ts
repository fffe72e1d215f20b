import {
  adamW,
  crossEntropy,
  type HostTensor,
  jit,
  mapTree,
  type Tensor,
  train,
  valueAndGrad,
} from "@veridraft/autodiff";
import {
  type Adapters,
  initLora,
  initTransformer,
  logitsOf,
  mergeLora,
  normal,
  type Transformer,
  transformer,
  withLora,
} from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { expect, it } from "vitest";

const config = {
  vocabSize: 7,
  contextLength: 8,
  layers: 2,
  width: 8,
  heads: 2,
  hidden: 16,
  mlp: "swiglu",
  norm: "rms",
  rotaryBase: 100,
  tied: false,
} as const;
const rng = createRng(3).at(0, "sample");
const model = initTransformer(config, rng, 0.3);
const ids: HostTensor = { data: Int32Array.of(1, 2, 3, 4, 5), shape: [1, 5] };
const targets: HostTensor = { data: Int32Array.of(2, 3, 4, 5, 6), shape: [1, 5] };

const runner = createGraphRunner({ threads: 1 });
const run = (params: Transformer<Tensor>, x: Tensor): Tensor =>
  logitsOf(params, transformer(params, x, config));
const forward = jit(runner, run);
const adapted = jit(runner, (adapters: Adapters<Tensor>, params: Transformer<Tensor>, x: Tensor) =>
  run(withLora(params, adapters), x),
);
const queries = (path: string): boolean => path.endsWith(".query");

it("changes nothing at first", async () => {
  const adapters = initLora(model, 2, rng);
  expect(Object.keys(adapters)).toHaveLength(2 * 7 + 1);
  const [plain, with0] = await Promise.all([forward(model, ids), adapted(adapters, model, ids)]);
  expect(with0.data).toEqual(plain.data);
});

it("merged is what it is beside the model", async () => {
  const drawn = mapTree(
    ({ shape }: HostTensor) => normal(shape, 0.3, rng),
    initLora(model, 2, rng, queries),
  ) as Adapters<HostTensor>;
  expect(Object.keys(drawn)).toEqual(["blocks.0.query", "blocks.1.query"]);
  const [beside, merged, plain] = await Promise.all([
    adapted(drawn, model, ids),
    forward(mergeLora(model, drawn), ids),
    forward(model, ids),
  ]);
  merged.data.forEach((value, i) => expect(value).toBeCloseTo(beside.data[i], 5));
  expect(Math.abs(merged.data[20] - plain.data[20])).toBeGreaterThan(1e-3);
});

it("learns what the frozen model does not know", async () => {
  const step = jit(
    runner,
    valueAndGrad((adapters: Adapters<Tensor>, params: Transformer<Tensor>, x: Tensor, y: Tensor) =>
      crossEntropy(run(withLora(params, adapters), x), y),
    ),
  );
  const losses: number[] = [];
  await train({
    step: (adapters: Adapters<HostTensor>) => step(adapters, model, ids, targets),
    params: initLora(model, 2, rng),
    optimizer: adamW({ learningRate: 0.03 }),
    *batches(): Generator<[]> {
      for (;;) yield [];
    },
    steps: 150,
    onProgress: ({ loss }) => losses.push(loss),
  });
  // ln 7 is 1.95; five tokens by heart are near 0.
  expect(losses[0]).toBeGreaterThan(1.5);
  expect(losses[149]).toBeLessThan(0.2);
  await step.dispose();
});

it("refuses a rank below 1, a choice of nothing, and adapters of another model", () => {
  expect(() => initLora(model, 0, rng)).toThrow(
    "initLora: rank must be an integer of at least 1, got 0",
  );
  expect(() => initLora(model, 1, rng, () => false)).toThrow(
    "initLora: no linear layer of the model was chosen",
  );
  const adapters = initLora(model, 1, rng, queries);
  expect(() => withLora({ ...model, blocks: model.blocks.slice(1) }, adapters)).toThrow(
    "withLora: the model has no linear layer blocks.1.query",
  );
});
