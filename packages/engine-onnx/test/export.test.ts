import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Matrix, row } from "@veridraft/core-probs";
import {
  type ExportFormat,
  exportModel,
  loadModel,
  type WeightFormat,
} from "@veridraft/engine-onnx";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ids = Array.from({ length: 32 }, (_, i) => (i * 97 + 13) % 259);
const suffixes = { f32: "", f16: "_fp16", int8: "_quantized" };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-export-"));
});
afterAll(() => rm(folder, { recursive: true }));

const fixture = (name: string): string =>
  fileURLToPath(new URL(`fixtures/gguf/${name}.gguf`, import.meta.url));

const integers = (values: readonly number[], dims: readonly number[]): Tensor =>
  new Tensor("int64", BigInt64Array.from(values, BigInt), dims);

/** The exported graph in ONNX Runtime itself, with the keys and values that it gave. */
class Exported {
  readonly session: InferenceSession;
  private present: Record<string, Tensor> = {};
  private past = 0;

  constructor(session: InferenceSession) {
    this.session = session;
  }

  static async open(name: string, weights: ExportFormat): Promise<Exported> {
    const path = join(folder, name);
    await exportModel(fixture(name), weights, path);
    const file = join(path, "onnx", `model${suffixes[weights]}.onnx`);
    return new Exported(await InferenceSession.create(file, { intraOpNumThreads: 1 }));
  }

  /** Logits [sequences, rows, vocab] of rows after those before. */
  async run(sequences: readonly (readonly number[])[], keep = 0): Promise<Tensor> {
    const [size, length] = [sequences.length, sequences[0].length];
    const total = this.past + length;
    const positions = sequences.flatMap((rows) => rows.map((_, i) => this.past + i));
    const feeds: Record<string, Tensor> = {
      input_ids: integers(sequences.flat(), [size, length]),
      attention_mask: integers(
        Array.from({ length: size * total }, () => 1),
        [size, total],
      ),
      position_ids: integers(positions, [size, length]),
      num_logits_to_keep: integers([keep], []),
    };
    for (const input of this.session.inputMetadata) {
      if (!input.isTensor || !input.name.startsWith("past_key_values.")) continue;
      const [, kvHeads, , headDim] = input.shape as number[];
      const none = input.type === "float16" ? new Uint16Array(0) : new Float32Array(0);
      feeds[input.name] =
        this.present[input.name.replace("past_key_values", "present")] ??
        new Tensor(input.type, none, [size, kvHeads, 0, headDim]);
    }
    const { logits, ...present } = await this.session.run(feeds);
    this.present = present;
    this.past = total;
    return logits;
  }
}

/** The engine's logits of `ids`. */
async function expected(name: string, weights: WeightFormat): Promise<Matrix> {
  const { model } = await loadModel(fixture(name), {
    weights,
    threads: 1,
    spinning: false,
    cacheFolder: join(folder, "cache"),
  });
  const logits = await (await model.open()).forward(ids);
  await model.dispose();
  return logits;
}

/** Largest difference of logits of rows from `first` on. */
function difference({ data }: Tensor, rows: Matrix, first: number): number {
  const logits = data as Float32Array;
  let largest = 0;
  for (let i = 0; i < logits.length / rows.cols; i++) {
    row(rows, first + i).forEach((logit, id) => {
      largest = Math.max(largest, Math.abs(logit - logits[i * rows.cols + id]));
    });
  }
  return largest;
}

// gemma3 has windows of 6 of its 32 rows, phi3 a tensor for queries, keys and values, smollm3 layers that do not rotate.
describe.each(["llama", "qwen2", "qwen3", "gemma3", "phi3", "smollm3"])("%s exported", (name) => {
  it("has the engine's logits in f32, cut in chunks", async () => {
    const rows = await expected(name, "f32");
    const exported = await Exported.open(name, "f32");
    for (const [from, to] of [
      [0, 11],
      [11, 12],
      [12, 20],
      [20, 32],
    ]) {
      const logits = await exported.run([ids.slice(from, to)]);
      expect(logits.dims).toEqual([1, to - from, rows.cols]);
      // 1.0e-5 for the row of smollm3 that runs alone, in another kernel; less for the others.
      expect(difference(logits, rows, from)).toBeLessThan(2e-5);
    }
    await exported.session.release();
  });
});

it.each(["llama", "qwen2", "qwen3", "phi3", "smollm3"])(
  "%s exported has the engine's logits in f16 within 0.1, keys and values float16",
  async (name) => {
    const rows = await expected(name, "f32");
    const exported = await Exported.open(name, "f16");
    const past = exported.session.inputMetadata.find(({ name: each }) => each.startsWith("past"));
    expect(past).toMatchObject({ type: "float16" });
    const first = await exported.run([ids.slice(0, 20)]);
    expect(first.type).toBe("float32");
    const largest = difference(first, rows, 0);
    const later = difference(await exported.run([ids.slice(20)]), rows, 20);
    console.log(`${name}: f16 differs by ${Math.max(largest, later).toFixed(4)}`);
    // Measured: 0.01 to 0.06, where ONNX Runtime computes in float32 between casts.
    expect(Math.max(largest, later)).toBeLessThan(0.1);
    expect(largest).toBeGreaterThan(0);
    await exported.session.release();
  },
);

describe("exportModel()", () => {
  it("writes graphs that give the last rows alone", async () => {
    const rows = await expected("qwen2", "int8");
    const exported = await Exported.open("qwen2", "int8");
    const three = await exported.run([ids], 3);
    expect(three.dims).toEqual([1, 3, rows.cols]);
    expect(difference(three, rows, ids.length - 3)).toBeLessThan(1e-5);
    await exported.session.release();
  });

  it("writes graphs that run sequences side by side", async () => {
    const rows = await expected("gemma3", "f32");
    const exported = await Exported.open("gemma3", "f32");
    const other = ids.map((id) => id + 1);
    await exported.run([other.slice(0, 20), ids.slice(0, 20)]);
    for (let i = 20; i < 24; i++) {
      const { data, dims } = await exported.run([[other[i]], [ids[i]]], 1);
      expect(dims).toEqual([2, 1, rows.cols]);
      const second = new Tensor("float32", (data as Float32Array).slice(rows.cols), [rows.cols]);
      expect(difference(second, rows, i)).toBeLessThan(1e-5);
    }
    await exported.session.release();
  });

  it("describes the sizes as Transformers.js reads them", async () => {
    const path = join(folder, "described");
    expect(await exportModel(fixture("gemma3"), "int8", path)).toBe("q8");
    const config = JSON.parse(await readFile(join(path, "config.json"), "utf8"));
    expect(config).toMatchObject({
      model_type: "llama",
      num_hidden_layers: 7,
      num_key_value_heads: 2,
      head_dim: 32,
      vocab_size: 260,
      eos_token_id: 259,
    });
    expect(JSON.parse(await readFile(join(path, "generation_config.json"), "utf8"))).toEqual({
      eos_token_id: 259,
    });
  });
});

it("f16 is refused where the network's numbers do not fit", async () => {
  await expect(exportModel(fixture("gemma3"), "f16", join(folder, "refused"))).rejects.toThrow(
    "writeModel: hidden states of gemma3 are larger than float16 holds; use int8 or f32",
  );
});

it("f16 is refused on the CPU", async () => {
  await expect(loadModel(fixture("llama"), { weights: "f16" })).rejects.toThrow(
    "loadModel: weights f16 are for a GPU, on the CPU they cost what f32 costs; use int8 or f32",
  );
});
