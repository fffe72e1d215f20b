import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fullGraph, type FullGraph, huggingFaceNames } from "../src/full-graph.ts";
import { type Dimensions, type ElementType, GraphBuilder } from "@veridraft/autodiff/onnx";
import { readOnnxHeader } from "../src/onnx-header.ts";

let path: string;
beforeAll(async () => {
  path = join(await mkdtemp(join(tmpdir(), "veridraft-graph-")), "model.onnx");
});
afterAll(() => rm(join(path, ".."), { recursive: true }));

type Values = Record<string, readonly [ElementType, Dimensions]>;

const past = ["float32", ["batch", 2, "past", 16]] as const;
const whole = ["float32", ["batch", 2, "total", 16]] as const;
const inputs: Values = {
  input_ids: ["int64", ["batch", "rows"]],
  attention_mask: ["int64", ["batch", "total"]],
  "past_key_values.0.key": past,
  "past_key_values.0.value": past,
};
const outputs: Values = {
  logits: ["float32", ["batch", "rows", 100]],
  "present.0.key": whole,
  "present.0.value": whole,
};

/** A graph with some inputs and outputs changed; undefined ones are left out. */
async function graphOf(
  changes: Record<string, Values[string] | undefined>,
  changedOutputs: Record<string, Values[string] | undefined> = {},
  operator = "com.microsoft:GroupQueryAttention",
): Promise<FullGraph> {
  const graph = new GraphBuilder("");
  for (const [name, value] of Object.entries({ ...inputs, ...changes })) {
    if (value) graph.input(name, ...value);
  }
  graph.constant("weights", new Float32Array(100_000), [100_000]);
  graph.node(operator, ["weights"], "y");
  for (const [name, value] of Object.entries({ ...outputs, ...changedOutputs })) {
    if (value) graph.output(name, ...value);
  }
  await writeFile(path, graph.encode());
  return fullGraph(readOnnxHeader(path), huggingFaceNames);
}

describe("fullGraph()", () => {
  it("reads sizes, types and what the graph has", async () => {
    const half = ["float16", ["b", 2, "past", 16]] as const;
    const found = await graphOf({
      position_ids: ["int64", ["batch", "rows"]],
      "past_key_values.0.key": half,
      "past_key_values.0.value": half,
    });
    expect(found).toMatchObject({
      layers: 1,
      kvHeads: 2,
      headDim: 16,
      vocabSize: 100,
      kvType: "float16",
      has: { mask: true, positions: true, keep: false, hasPast: false },
      ignoresSpareRows: true,
    });
    expect((await graphOf({}, {}, "MatMul")).ignoresSpareRows).toBe(false);
    expect((await graphOf({ attention_mask: undefined })).ignoresSpareRows).toBe(false);
  });

  const supported =
    "supported are input_ids, attention_mask, position_ids, num_logits_to_keep, use_cache_branch, past_key_values.%d.key, past_key_values.%d.value";
  it.each<[string, Parameters<typeof graphOf>, string]>([
    [
      "embeddings in place of ids",
      [{ input_ids: undefined, inputs_embeds: ["float32", ["b", "s", 64]] }],
      `input "inputs_embeds" of PATH is not supported; ${supported}`,
    ],
    [
      "the state of a convolution",
      [{ "past_conv.0": ["float32", ["b", 64, 3]] }],
      `input "past_conv.0" of PATH is not supported; ${supported}`,
    ],
    [
      "an encoder",
      [{ encoder_hidden_states: ["float32", ["b", "s", 64]] }],
      `input "encoder_hidden_states" of PATH is not supported; ${supported}`,
    ],
    [
      "no past",
      [{ "past_key_values.0.key": undefined, "past_key_values.0.value": undefined }],
      `PATH has no input "past_key_values.0.key"; its inputs begin with input_ids, attention_mask, ${supported} and every layer's present.%d.key and present.%d.value as outputs`,
    ],
    [
      "no present",
      [{}, { "present.0.value": undefined }],
      'PATH has no output "present.0.value"; its inputs begin with input_ids, attention_mask',
    ],
    [
      "half of a layer",
      [
        {
          "past_key_values.1.key": past,
          "past_key_values.1.value": undefined,
          "past_key_values.2.key": past,
        },
        { "present.1.key": whole },
      ],
      'input "past_key_values.1.value" of PATH is missing; supported is float32 or float16 [batch, heads, rows, size]',
    ],
    [
      "a cache of fixed length",
      [{ "past_key_values.0.value": ["float32", [1, 2, 2048, 16]] }],
      'input "past_key_values.0.value" of PATH is float32 [1, 2, 2048, 16]; supported is',
    ],
    [
      "ids of 32 bits",
      [{ input_ids: ["int32", ["b", "s"]] }],
      'input "input_ids" of PATH is int32, not int64',
    ],
    [
      "an unknown vocabulary",
      [{}, { logits: ["float32", ["b", "s", "v"]] }],
      "neither PATH nor its config says a vocabulary size",
    ],
  ])("refuses %s", async (_, changes, message) => {
    const text = `fullGraph: ${message.replaceAll("PATH", path)}`;
    await expect(graphOf(...changes)).rejects.toThrow(text);
  });
});

describe("readOnnxHeader()", () => {
  it("skips what it does not read, and stops at damage", async () => {
    await graphOf({});
    const { operators, inputs: found } = readOnnxHeader(path);
    expect([...operators]).toEqual(["GroupQueryAttention"]);
    expect(found[2]).toEqual({
      name: "past_key_values.0.key",
      type: "float32",
      dims: ["batch", 2, "past", 16],
    });
    await writeFile(path, "GGUF is another format");
    expect(() => readOnnxHeader(path)).toThrow(
      /^readOnnxHeader: .* is not an ONNX file, at byte \d+$/,
    );
    expect(() => readOnnxHeader(`${path}.none`)).toThrow(/^readOnnxHeader: cannot open .*: ENOENT/);
  });
});
