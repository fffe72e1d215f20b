import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Matrix } from "@veridraft/core-probs";
import { type CacheType, loadModel, type OnnxModel } from "@veridraft/engine-onnx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ids = Int32Array.from({ length: 40 }, (_, i) => (i * 37 + 5) % 200);

let cacheFolder: string;
beforeAll(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), "veridraft-cache-type-"));
});
afterAll(() => rm(cacheFolder, { recursive: true }));

function load(name: string, cacheType: CacheType) {
  const path = fileURLToPath(new URL(`fixtures/gguf/${name}.gguf`, import.meta.url));
  const options = { weights: "f32", threads: 1, spinning: false, streams: 2, cacheFolder } as const;
  return loadModel(path, { ...options, cacheType });
}

/** Logits of all ids, and the bytes of their keys and values. */
async function read(model: OnnxModel): Promise<{ logits: Matrix; bytes: number }> {
  const sequence = await model.open();
  const logits = await sequence.forward(ids);
  sequence.commit(ids.length);
  const { cacheBytes } = await model.statistics();
  sequence.dispose();
  return { logits, bytes: cacheBytes };
}

function rowsFrom({ data, rows, cols }: Matrix, from: number): Matrix {
  return { data: data.subarray(from * cols), rows: rows - from, cols };
}

/** The largest difference, as a share of the largest logit. */
function largestDifference(a: Matrix, b: Matrix): number {
  const largest = b.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.data.reduce((most, x, i) => Math.max(most, Math.abs(x - b.data[i])), 0) / largest;
}

// A half rounds by up to 5e-4 of a number, 8 bits by up to 4e-3 of the largest of a row; two layers and an output layer of random weights add that up.
describe.each([
  { cacheType: "f16", bytes: (headDim: number) => 2 * headDim, tolerance: 2e-3 },
  { cacheType: "int8", bytes: (headDim: number) => headDim + 4, tolerance: 4e-2 },
] as const)("a cache of $cacheType", ({ cacheType, bytes, tolerance }) => {
  it.each([
    ["llama", 16],
    ["gemma3", 32],
  ])("of %s is exact, smaller, and rounds a little", async (name, headDim) => {
    const reference = await load(name, "f32");
    const whole = await read(reference.model);
    await reference.model.dispose();
    const { model, exact, control } = await load(name, cacheType);
    const rounded = await read(model);
    expect(exact).toBe(true);
    expect(control).toBeGreaterThan(0);
    expect(rounded.bytes / whole.bytes).toBe(bytes(headDim) / (4 * headDim));
    const difference = largestDifference(rounded.logits, whole.logits);
    console.log(`${name}, ${cacheType}: ${difference.toExponential(1)}`);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(tolerance);
    await model.dispose();
  });

  it("keeps the rows of a path of a tree, and those of forks", async () => {
    const { model } = await load("llama", cacheType);
    const sequence = await model.open();
    await sequence.forward(ids.subarray(0, 10));
    sequence.commit(10);
    // The branch of even nodes is the text.
    await sequence.forwardTree([ids[10], 3, ids[11], 4], [-1, -1, 0, 1]);
    sequence.commitPath([0, 2]);
    const fork = sequence.fork();
    const [there, here] = [await fork.forward([7, 8]), await sequence.forward(ids.subarray(12))];
    fork.dispose();
    sequence.dispose();
    const chain = await model.open();
    const whole = await chain.forward(ids);
    const again = await model.open();
    const other = await again.forward(Int32Array.of(...ids.subarray(0, 12), 7, 8));
    await model.dispose();
    // The sums of attention to a tree stand in another order, which may tip a rounding.
    expect(largestDifference(here, rowsFrom(whole, 12))).toBeLessThan(tolerance);
    expect(largestDifference(there, rowsFrom(other, 12))).toBeLessThan(tolerance);
  });
});
