import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  attention,
  gelu,
  layerNorm,
  matmul,
  rmsNorm,
  silu,
  type Tensor,
  trace,
  vjp,
} from "@veridraft/autodiff";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readOnnxHeader } from "../src/onnx-header.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-graph-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The operators that ONNX Runtime runs for a function of float32 tensors. */
async function operatorsOf(
  f: (...xs: Tensor[]) => readonly (Tensor | null)[],
  ...shapes: readonly (readonly number[])[]
): Promise<string[]> {
  const types = shapes.map((shape) => ({ dtype: "float32", shape }) as const);
  const optimizedModelFilePath = join(folder, "optimized.onnx");
  const options = { optimizedModelFilePath, logSeverityLevel: 3 } as const;
  const session = await InferenceSession.create(trace(f, types).model, options);
  await session.release();
  return [...readOnnxHeader(optimizedModelFilePath).operators].toSorted();
}

function gradients(a: Tensor, b: Tensor): (Tensor | null)[] {
  const y = matmul(a, b);
  return vjp([y], [y], [a, b]);
}

function causal(q: Tensor, k: Tensor, v: Tensor): Tensor[] {
  return [attention(q, k, v, { causal: true })];
}

describe("the graphs that ONNX Runtime makes of operations", () => {
  it("read transposed operands in place", async () => {
    expect(await operatorsOf(gradients, [4, 8], [8, 6])).toEqual(["Gemm"]);
    expect(await operatorsOf(gradients, [2, 4, 8], [8, 6])).toEqual(["Gemm", "Reshape"]);
    expect(await operatorsOf(gradients, [2, 4, 8], [2, 8, 6])).toEqual(["FusedMatMul", "MatMul"]);
  });

  it("run norms and activations as one node", async () => {
    const x = [2, 8];
    expect(await operatorsOf((y, w, b) => [layerNorm(y, w, b)], x, [8], [8])).toEqual([
      "LayerNormalization",
    ]);
    expect(await operatorsOf((y, w) => [rmsNorm(y, w)], x, [8])).toEqual([
      "SimplifiedLayerNormalization",
    ]);
    expect(await operatorsOf((y) => [gelu(y), silu(y)], x)).toEqual(["Gelu", "QuickGelu"]);
  });

  it("compute masks when they are compiled", async () => {
    const shape = [1, 2, 3, 4];
    // The scale becomes part of the product.
    expect(await operatorsOf(causal, shape, shape, shape)).toEqual([
      "Add",
      "FusedMatMul",
      "MatMul",
      "Softmax",
    ]);
  });
});

describe("createGraphRunner()", () => {
  it("refuses no threads, and says which input is missing", async () => {
    expect(() => createGraphRunner({ threads: 0 })).toThrow(
      "createGraphRunner: threads must be an integer of at least 1, got 0",
    );
    const type = { dtype: "float32", shape: [2] } as const;
    const program = await createGraphRunner().compile(trace((x: Tensor) => gelu(x), [type]));
    await expect(program.run({})).rejects.toThrow(
      "run: the feeds have no arg0, an input of the graph",
    );
    await program.dispose();
  });
});
