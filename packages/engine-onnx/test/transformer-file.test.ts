import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type HostTensor, jit, type Tensor } from "@veridraft/autodiff";
import { logitsOf, type Transformer, transformer } from "@veridraft/autodiff/nn";
import {
  createGraphRunner,
  exportOnnx,
  loadModel,
  loadTokenizer,
  readTransformer,
  writeTransformer,
} from "@veridraft/engine-onnx";
import { toTokenizerJson } from "@veridraft/tokenization";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const fixture = (name: string): string =>
  fileURLToPath(new URL(`fixtures/gguf/${name}.gguf`, import.meta.url));
const llama = fixture("llama");
const ids = Array.from({ length: 24 }, (_, i) => (i * 97 + 13) % 259);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-transformer-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function engineLogits(path: string, weights?: "f32"): Promise<Float32Array> {
  const { model } = await loadModel(path, { weights, cacheFolder: join(folder, "cache") });
  try {
    const sequence = await model.open();
    // Two calls, so that the second reads keys and values that were kept.
    await sequence.forward(ids.slice(0, 10));
    sequence.commit(10);
    const { data } = await sequence.forward(ids.slice(10));
    return data;
  } finally {
    await model.dispose();
  }
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i])), 0);
}

/** Another model of the same sizes: one matrix is twice what it was. */
function changed(params: Transformer<HostTensor>): Transformer<HostTensor> {
  const [{ query, ...block }, ...rest] = params.blocks;
  const weight = { ...query.weight, data: query.weight.data.map((x) => 2 * x) as Float32Array };
  return { ...params, blocks: [{ ...block, query: { weight } }, ...rest] };
}

describe("readTransformer()", () => {
  it("gives the parameters with which the layers of autodiff compute the engine's logits", async () => {
    const { config, params } = await readTransformer(llama);
    const run = jit(createGraphRunner({ threads: 1 }), (p: Transformer<Tensor>, x: Tensor) =>
      logitsOf(p, transformer(p, x, config)),
    );
    const { data } = await run(params, { data: Int32Array.from(ids), shape: [1, ids.length] });
    await run.dispose();
    const own = (data as Float32Array).subarray(10 * config.vocabSize);
    // Float32 sums in another order; logits are of size 1.
    expect(largestDifference(own, await engineLogits(llama, "f32"))).toBeLessThan(1e-4);
  });

  it("refuses an architecture that is more than Llama's", async () => {
    await expect(readTransformer(fixture("gemma3"))).rejects.toThrow(
      "readTransformer: only models of the kind of Llama can be trained: separate projections without biases, RMS norms, SwiGLU, and one rotary base",
    );
  });
});

describe("writeTransformer()", () => {
  it("writes the same bytes where nothing has changed", async () => {
    const { params } = await readTransformer(llama);
    const path = join(folder, "same.gguf");
    await writeTransformer(llama, params, path);
    expect((await readFile(path)).equals(await readFile(llama))).toBe(true);
  });

  it("writes what was changed, to the bit", async () => {
    const params = changed((await readTransformer(llama)).params);
    const path = join(folder, "changed.gguf");
    await writeTransformer(llama, params, path);
    expect((await readTransformer(path)).params).toEqual(params);
  });

  it("refuses parameters of other sizes, and leaves nothing behind", async () => {
    const { params } = await readTransformer(llama);
    const path = join(folder, "other.gguf");
    const embedding = { data: new Float32Array(4), shape: [2, 2] };
    await expect(writeTransformer(llama, { ...params, embedding }, path)).rejects.toThrow(
      /^writeTransformer: token_embd\.weight must be \[\d+, \d+\], got \[2, 2\]$/,
    );
    await expect(readFile(path)).rejects.toThrow("ENOENT");
  });
});

describe("exportOnnx()", () => {
  it("writes a folder that the engine loads, exact as its own, with branches", async () => {
    const { config, params } = await readTransformer(llama);
    const tokenizer = await loadTokenizer(llama);
    const path = join(folder, "exported");
    await exportOnnx(path, config, params, { json: toTokenizerJson(tokenizer), endIds: [2] });
    const difference = largestDifference(
      await engineLogits(path),
      await engineLogits(llama, "f32"),
    );
    expect(difference).toBeLessThan(1e-4);
    const loaded = await loadModel(path, { cacheFolder: join(folder, "cache") });
    expect(loaded).toMatchObject({ weights: "onnx", exact: true });
    expect(loaded.model.branching).toBe(true);
    const tapped = await loaded.model.openTapped();
    await tapped.forward(ids);
    const original = await loadModel(llama, { weights: "f32", cacheFolder: join(folder, "cache") });
    const wanted = await original.model.openTapped();
    await wanted.forward(ids);
    expect(largestDifference(tapped.taps.data, wanted.taps.data)).toBeLessThan(1e-4);
    await original.model.dispose();
    expect(loaded.tokenizer.encode("two words")).toEqual(tokenizer.encode("two words"));
    await loaded.model.dispose();
    await expect(loadModel(path, { device: "webgpu" })).rejects.toThrow(
      /has the layout of the CPU, got device webgpu; leave it out$/,
    );
  });

  it("may have a short context, of 48 tokens at least", async () => {
    const { config, params } = await readTransformer(llama);
    const tokenizer = { json: toTokenizerJson(await loadTokenizer(llama)), endIds: [2] };
    const load = async (contextLength: number) => {
      const path = join(folder, `context-${contextLength}`);
      await exportOnnx(path, { ...config, contextLength }, params, tokenizer);
      return loadModel(path, { cacheFolder: join(folder, "cache") });
    };
    const { model, costs } = await load(48);
    expect([model.contextLength, costs.length]).toEqual([48, 17]);
    await model.dispose();
    await expect(load(47)).rejects.toThrow(
      /^loadModel: .*context-47 has a context of 47 tokens, at least 48 are needed$/,
    );
  });
});
