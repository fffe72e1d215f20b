import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadModel, readGguf, type WeightFormat } from "@veridraft/engine-onnx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requantize } from "../src/requantize.ts";

const fixture = fileURLToPath(
  new URL("../../../packages/engine-onnx/test/fixtures/gguf/llama.gguf", import.meta.url),
);
let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-int4-"));
  file = join(folder, "llama-q4.gguf");
  await requantize(await readGguf(fixture), "Q4_0", file);
});
afterAll(() => rm(folder, { recursive: true }));

const load = (path: string, weights: WeightFormat) =>
  loadModel(path, { weights, threads: 1, spinning: false, streams: 2, cacheFolder: folder });

async function logitsIn(weights: WeightFormat): Promise<Float32Array> {
  const { model, exact, control } = await load(file, weights);
  expect(exact).toBe(true);
  expect(control).toBeGreaterThan(0);
  const sequence = await model.open();
  const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % model.vocabSize);
  const { data } = await sequence.forward(ids);
  await model.dispose();
  return data;
}

/** Root mean square of the differences, as a share of that of `b`. */
function distance(a: Float32Array, b: Float32Array): number {
  const sum = (value: (i: number) => number): number => a.reduce((all, _, i) => all + value(i), 0);
  return Math.sqrt(sum((i) => (a[i] - b[i]) ** 2) / sum((i) => b[i] ** 2));
}

describe("int4", () => {
  it("holds the weights of Q4_0 as exactly as int8 does", async () => {
    const [f32, int8, int4] = [
      await logitsIn("f32"),
      await logitsIn("int8"),
      await logitsIn("int4"),
    ];
    const [from8, from4] = [distance(int8, f32), distance(int4, f32)];
    console.log(`from f32: int8 ${from8.toExponential(1)}, int4 ${from4.toExponential(1)}`);
    // Both round activations to 8 bits in blocks of 32, and nothing else.
    expect(from4).toBeGreaterThan(0);
    expect(from4).toBeLessThan(1.5 * from8);
  });

  it("is refused where the file has no such weights", async () => {
    await expect(load(fixture, "int4")).rejects.toThrow(
      "weights int4 are exact for tensors of Q4_0 only",
    );
  });
});
