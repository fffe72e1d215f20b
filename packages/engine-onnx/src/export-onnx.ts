/**
 * A transformer trained with `@veridraft/autodiff` -> a folder that the engine loads: its graph in the engine's own layout (see delta-layout.ts), with
 * weights in float32 beside it, a configuration and a tokenizer.
 */
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  apply,
  buildGraph,
  concat,
  gather,
  type HostTensor,
  input,
  mapTree,
  type NamedTensors,
  type Operation,
  reshape,
  type Tensor,
  transpose,
  treeLeaves,
} from "@veridraft/autodiff";
import {
  type Attend,
  headsOf,
  logitsOf,
  type Transformer,
  transformer,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import { tapsOf } from "./architectures.ts";
import { DataWriter } from "./data-writer.ts";
import type { ExternalTensor } from "@veridraft/autodiff/onnx";
import type { TokenizerJson } from "@veridraft/tokenization";

/** What a model needs beside its parameters to take and give text. */
export interface ExportedTokenizer {
  /** As in a tokenizer.json of Hugging Face. */
  readonly json: TokenizerJson;
  /** Ids that end a text. */
  readonly endIds: readonly number[];
  /** Of conversations, a template of Jinja; absent: the model continues texts only. */
  readonly chatTemplate?: string;
}

/**
 * Writes config.json, tokenizer.json, tokenizer_config.json and onnx/model.onnx with its weights. `loadModel` opens the folder, and so do the servers.
 *
 * @throws ShapeError where the parameters do not fit the configuration.
 */
export async function exportOnnx(
  folder: string,
  config: TransformerConfig,
  params: Transformer<HostTensor>,
  { json, endIds, chatTemplate }: ExportedTokenizer,
): Promise<void> {
  const onnx = join(folder, "onnx");
  await mkdir(onnx, { recursive: true });
  const { inputs, outputs, weights } = traceDecoder(config, params);
  const dataFile = "model.onnx_data";
  const tensors = await writeTensors(join(onnx, dataFile), params);
  const { model } = buildGraph({ ...inputs, ...weights }, outputs, tensors, dataFile);
  await writeFile(join(onnx, "model.onnx"), model);
  await writeJson(join(folder, "config.json"), {
    vocab_size: config.vocabSize,
    max_position_embeddings: config.contextLength,
    eos_token_id: endIds,
  });
  await writeJson(join(folder, "tokenizer.json"), json);
  await writeJson(join(folder, "tokenizer_config.json"), {
    ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
  });
}

/** Attention over rows that the engine keeps. Inputs: packed queries, keys and values, the rows before them, and their counts. */
const cachedAttention: Operation<ReturnType<typeof headsOf>> = {
  name: "cachedAttention",
  infer: ([packed], { heads, headDim }) => [
    { dtype: "float32", shape: packed.shape.with(2, heads * headDim) },
  ],
  vjp: ({ inputs }) => inputs.map(() => null),
  lower: (lowering, [packed, keys, values, seqlens, total, bias], { attributes }) =>
    lowering
      .outputs(
        "com.microsoft:GroupQueryAttention",
        [packed, "", "", keys, values, seqlens, total, "", "", "", bias],
        3,
        { num_heads: attributes.heads, kv_num_heads: attributes.kvHeads },
      )
      .slice(0, 1),
};

/** The graph of the layout for one sequence. */
function traceDecoder(
  config: TransformerConfig,
  params: Transformer<HostTensor>,
): { inputs: NamedTensors; outputs: NamedTensors; weights: NamedTensors } {
  const sizes = headsOf(config);
  const { kvHeads, headDim } = sizes;
  const counts = {
    "seqlens_k.0": input("int32", [1]),
    "total_len.0": input("int32", [1]),
    "attn_bias.0": input("float32", [1, 1, "S", "T0"]),
  };
  const ids = input("int64", [1, "S"]);
  const positions = input("int64", [1, "S"]);
  const rows = input("int64", ["R"]);
  const past: Record<string, Tensor> = {};
  const fresh: Tensor[] = [];
  const attend: Attend = (q, k, v, layer) => {
    fresh.push(k, v);
    const kept = (["k", "v"] as const).map((kind) => {
      const name = `past_${kind}${layer}.0`;
      return (past[name] = input("float32", [1, kvHeads, "C0", headDim]));
    });
    const packed = concat([q, k, v].map(joinHeads), -1);
    const attended = apply(cachedAttention, [packed, ...kept, ...Object.values(counts)], sizes);
    return transpose(reshape(attended, [1, "S", sizes.heads, headDim]), [0, 2, 1, 3]);
  };
  const weights = mapTree(({ shape }: HostTensor) => input("float32", shape), params);
  const residuals: Tensor[] = [];
  const hidden = transformer(weights, ids, config, {
    attend,
    positions,
    onRows: (each) => residuals.push(each),
  });
  const asked = (all: Tensor): Tensor => gather(reshape(all, ["S", config.width]), rows);
  const taps = tapsOf(config).map((layer) => residuals[layer - 1]);
  return {
    inputs: { input_ids: ids, position_ids: positions, logits_rows: rows, ...counts, ...past },
    outputs: {
      logits: logitsOf(weights, asked(hidden)),
      taps: concat(taps.map(asked), -1),
      new_kv: reshape(concat(fresh, 0), [config.layers, 2, kvHeads, "S", headDim]),
    },
    weights: Object.fromEntries(treeLeaves<Tensor>(weights).map(({ path, leaf }) => [path, leaf])),
  };
}

/** [1, heads, S, headDim] -> [1, S, heads headDim] */
function joinHeads(rows: Tensor): Tensor {
  return reshape(transpose(rows, [0, 2, 1, 3]), [1, "S", -1]);
}

/** Writes the parameters one after another. @returns Where each stands, by its path. */
async function writeTensors(
  path: string,
  params: Transformer<HostTensor>,
): Promise<Record<string, ExternalTensor>> {
  const file = await open(path, "w");
  try {
    const writer = new DataWriter(file);
    for (const { path: name, leaf } of treeLeaves<HostTensor>(params)) {
      // oxlint-disable-next-line no-await-in-loop -- one file is written front to back
      await writer.add(name, "float32", leaf.shape, leaf.data as Float32Array);
    }
    return Object.fromEntries(writer.tensors);
  } finally {
    await file.close();
  }
}

async function writeJson(path: string, value: object): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
