import { jit, type Tensor } from "@veridraft/autodiff";
import { logitsOf, type Transformer, transformer } from "@veridraft/autodiff/nn";
import { createGraphRunner, loadModel, readTransformer } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { expect, it } from "vitest";

it(
  "autodiff's layers with the weights of SmolLM2 have the engine's logits in f32",
  { timeout: 60_000 },
  async () => {
    const { model, tokenizer } = await loadModel(smolLM2.path, { weights: "f32" });
    const ids = tokenizer.encode("The capital of France is Paris, and that of Germany is");
    const { data: wanted } = await (await model.open()).forward(ids);
    await model.dispose();
    const { config, params } = await readTransformer(smolLM2.path);
    const run = jit(createGraphRunner(), (p: Transformer<Tensor>, x: Tensor) =>
      logitsOf(p, transformer(p, x, config)),
    );
    const { data } = await run(params, { data: Int32Array.from(ids), shape: [1, ids.length] });
    await run.dispose();
    const differences = wanted.map((value, i) => Math.abs(value - data[i]));
    // Measured: 5e-5, in sums of float32 in another order.
    expect(differences.reduce((a, b) => Math.max(a, b))).toBeLessThan(1e-4);
  },
);
