import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LoadedModel, loadModel, type LoadOptions } from "@veridraft/engine-onnx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyFolders, distanceToLlamaCpp, ids } from "./onnx-folders.ts";
import { checkSequenceLaws } from "./sequence-laws.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-onnx-"));
  await copyFolders(folder);
});
afterAll(() => rm(folder, { recursive: true }));

function load(name: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const cacheFolder = join(folder, "cache");
  return loadModel(join(folder, name), { threads: 1, spinning: false, cacheFolder, ...options });
}

// Measured: 1.3e-5, of which recording rounds 5e-6; 0.025 in halves.
describe.each([
  ["optimum", 1e-4],
  ["optimum/model_merged.onnx", 1e-4],
  ["transformers-js", 1e-4],
  ["transformers-js/onnx/model_fp16.onnx", 0.1],
  ["genai", 1e-4],
])("%s", (name, tolerance) => {
  it(`has llama.cpp's log-probabilities within ${tolerance}, and the laws of a sequence`, async () => {
    const loaded = await load(name);
    const { model, tokenizer, chatTemplate } = loaded;
    const sequence = await model.open();
    const distance = distanceToLlamaCpp(await sequence.forward(ids));
    sequence.dispose();
    await checkSequenceLaws(model, 0);
    await model.dispose();
    console.log(`${name}: ${distance.toExponential(1)}`);
    expect(distance).toBeLessThan(tolerance);
    expect([loaded.exact, loaded.exactTrees, loaded.weights]).toEqual([true, false, "onnx"]);
    expect([model.vocabSize, model.contextLength]).toEqual([260, 128]);
    expect(loaded.name).toBe(name.split("/")[0]);
    expect([...tokenizer.encode("the<|end|>", { special: true })]).toEqual([256, 68, 259]);
    expect([...tokenizer.endIds]).toEqual([259]);
    expect(chatTemplate?.render([{ role: "user", content: "a" }])).toBe("user: a<|end|>");
  });
});

describe("loadModel() of a folder", () => {
  it("takes the last token of a context", async () => {
    const { model } = await load("genai");
    const sequence = await model.open();
    const text = Int32Array.from({ length: 128 }, (_, i) => ids[i % ids.length]);
    const whole = await sequence.forward(text);
    sequence.truncate(0);
    await sequence.forward(text.subarray(0, 127), { rows: "last" });
    sequence.commit(127);
    const last = await sequence.forward(text.subarray(127));
    await model.dispose();
    const there = whole.data.subarray(127 * 260);
    last.data.forEach((logit, id) => expect(logit).toBeCloseTo(there[id], 4));
  });

  it("refuses a tree that branches", async () => {
    const { model } = await load("genai");
    const sequence = await model.open();
    expect(() => sequence.forwardTree([1, 2, 3], [-1, 0, 0])).toThrow(
      "forwardTree: node 2 is a child of 0, but the graph has no attention bias and runs only chains; draft without branches",
    );
    await model.dispose();
  });

  it("refuses weights and devices by name", async () => {
    await expect(load("genai", { weights: "f32" })).rejects.toThrow(
      /^loadModel: weights is for GGUF files, got f32 for .*model\.onnx; leave it out, or give the path of another graph of the folder$/,
    );
    await expect(load("genai", { device: "tpu" as "cpu" })).rejects.toThrow(
      "loadModel: device must be one of cpu, cuda, webgpu, got tpu",
    );
  });

  it("names the graphs of a folder where it cannot choose, and what a folder lacks", async () => {
    const { chooser, empty } = { chooser: join(folder, "chooser"), empty: join(folder, "empty") };
    for (const each of [chooser, empty]) await mkdir(each);
    await expect(load("empty")).rejects.toThrow(
      `readOnnxFolder: ${empty} has neither config.json nor genai_config.json`,
    );
    await writeFile(join(chooser, "config.json"), '{"max_position_embeddings": 8}');
    await expect(load("chooser")).rejects.toThrow(`readOnnxFolder: ${chooser} has no .onnx file`);
    for (const name of ["model_q4.onnx", "model_int8.onnx"]) {
      await writeFile(join(chooser, name), "");
    }
    await expect(load("chooser")).rejects.toThrow(
      `readOnnxFolder: ${chooser} has no model.onnx or decoder_model_merged.onnx; give the path of one of ${chooser}/model_int8.onnx, ${chooser}/model_q4.onnx`,
    );
    await expect(load("chooser/model_q4.onnx")).rejects.toThrow(/is not an ONNX file/);
    await writeFile(join(chooser, "config.json"), "{");
    await expect(load("chooser")).rejects.toThrow(/^readOnnxFolder: .*config\.json is not JSON: /);
  });
});
