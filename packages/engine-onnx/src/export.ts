/** GGUF -> a folder as Hugging Face has them for ONNX, which Transformers.js loads. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type DecoderShape, decoderShape } from "./architectures.ts";
import { writeModel } from "./convert.ts";
import { readGguf } from "./gguf.ts";
import { presentLayout } from "./present-layout.ts";
import { formats, type WeightFormat } from "./weights.ts";

/** What Transformers.js calls the formats, and how it ends the names of their files. */
const dtypes = {
  f32: { dtype: "fp32", suffix: "" },
  f16: { dtype: "fp16", suffix: "_fp16" },
  int8: { dtype: "q8", suffix: "_quantized" },
} as const satisfies Partial<Record<WeightFormat, object>>;

/** Formats of {@link exportModel}. */
export type ExportFormat = keyof typeof dtypes;

/**
 * Writes config.json, generation_config.json and onnx/model*.onnx with its weights beside it. Several formats may go into one folder.
 *
 * The configuration says of every architecture that it is llama, by whose sizes Transformers.js feeds the graph; what else it is stands in the graph.
 *
 * @returns The format's name in Transformers.js, its `dtype`.
 * @throws ModelFileError, UnsupportedError as loadModel.
 */
export async function exportModel(
  path: string,
  weights: ExportFormat,
  folder: string,
): Promise<string> {
  const gguf = await readGguf(path);
  const shape = decoderShape(gguf);
  const { dtype, suffix } = dtypes[weights];
  const file = `model${suffix}.onnx`;
  const onnx = join(folder, "onnx");
  await mkdir(onnx, { recursive: true });
  await writeModel(gguf, shape, formats[weights], {
    folder: onnx,
    dataFile: `${file}_data`,
    graphs: { [file]: presentLayout },
  });
  const eos = gguf.metadata.get("tokenizer.ggml.eos_token_id");
  const ends = { eos_token_id: typeof eos === "number" ? eos : null };
  await writeJson(join(folder, "config.json"), { ...configOf(shape), ...ends });
  await writeJson(join(folder, "generation_config.json"), ends);
  return dtype;
}

/** The sizes as a llama configuration of Transformers names them. */
function configOf(shape: DecoderShape): object {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: shape.hidden,
    intermediate_size: shape.feedForward,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.headDim,
    vocab_size: shape.vocab,
    max_position_embeddings: shape.context,
    rms_norm_eps: shape.epsilon,
    tie_word_embeddings: shape.tied,
    "transformers.js_config": { use_external_data_format: true },
  };
}

async function writeJson(path: string, value: object): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
