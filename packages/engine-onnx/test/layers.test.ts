import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Matrix } from "@veridraft/core-probs";
import { decoderShape, loadModel, readGguf } from "@veridraft/engine-onnx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ids = [5, 17, 3, 80, 41, 17, 3];

let cacheFolder: string;
beforeAll(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), "veridraft-layers-"));
});
afterAll(() => rm(cacheFolder, { recursive: true }));

function fixturePath(name: string): string {
  return fileURLToPath(new URL(`fixtures/gguf/${name}.gguf`, import.meta.url));
}

async function logitsOf(name: string, layers?: number): Promise<Matrix> {
  const options = { weights: "f32", threads: 1, spinning: false, cacheFolder } as const;
  const { model } = await loadModel(fixturePath(name), { ...options, layers });
  const sequence = await model.open();
  const logits = await sequence.forward(ids);
  await model.dispose();
  return logits;
}

describe("loadModel() with layers", () => {
  it.each([
    ["llama", 2],
    ["gemma3", 7],
  ])("%s: all %i layers are the model itself, one is another", async (name, layers) => {
    const whole = await logitsOf(name);
    expect(await logitsOf(name, layers)).toEqual(whole);
    const first = await logitsOf(name, 1);
    expect([first.rows, first.cols]).toEqual([whole.rows, whole.cols]);
    expect(first.data.every(Number.isFinite)).toBe(true);
    expect(first.data).not.toEqual(whole.data);
  });

  it("keeps a converted model for each number of layers", async () => {
    const before = (await readdir(cacheFolder)).length;
    await logitsOf("smollm3", 2);
    await logitsOf("smollm3", 4);
    await logitsOf("smollm3", 2);
    expect((await readdir(cacheFolder)).length).toBe(before + 2);
  });

  it.each([0, 3, 1.5])("refuses %s of 2 layers", async (layers) => {
    await expect(logitsOf("llama", layers)).rejects.toThrow(
      `decoderShape: layers must be an integer in [1, 2], got ${layers}`,
    );
  });
});

describe("decoderShape() of the first layers", () => {
  it("still refuses a tensor of a kept layer, or of none, that has no place", async () => {
    const gguf = await readGguf(fixturePath("llama"));
    const norm = gguf.tensors.get("output_norm.weight");
    if (!norm) throw new Error("the fixture has no output_norm.weight");
    const withTensor = (name: string) => ({
      ...gguf,
      tensors: new Map(gguf.tensors).set(name, { ...norm, name }),
    });
    expect(decoderShape(gguf, 1).layers).toBe(1);
    expect(decoderShape(withTensor("blk.1.other.weight"), 1).layers).toBe(1);
    for (const name of ["blk.0.other.weight", "blk.2.other.weight", "other.weight"]) {
      expect(() => decoderShape(withTensor(name), 1)).toThrow(
        `decoderShape: tensor ${name} has no place in architecture llama`,
      );
    }
  });
});
