/** What a GGUF file is and what the engine makes of it, from its header alone. */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { isProbsError } from "@veridraft/core-probs";
import { chatTemplateFromGguf, type Gguf, decoderShape, readGguf } from "@veridraft/engine-onnx";
import { tokenizerFromGguf } from "@veridraft/tokenization";

/** The header of a model for people; null for what the file does not say. */
export interface ModelDescription {
  readonly name: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly fileBytes: number;
  readonly layers: number | null;
  readonly hidden: number | null;
  readonly heads: number | null;
  readonly kvHeads: number | null;
  readonly context: number | null;
  readonly vocabulary: number | null;
  readonly tokenizer: { readonly model: string | null; readonly pre: string | null };
  /** By tensor type. */
  readonly types: Readonly<Record<string, { readonly tensors: number; readonly bytes: number }>>;
  readonly chatTemplate: boolean;
}

/** Whether the engine runs a model, by the checks that stand before its conversion. */
export type EngineVerdict =
  | {
      readonly runs: true;
      readonly convertedBytes: { readonly int8: number; readonly f32: number };
    }
  | { readonly runs: false; readonly reason: string };

/** Bytes a weight after conversion; blocks of 32 with a float32 scale. */
const bytesOfWeight = { int8: 1 + 4 / 32, f32: 4 };

/** Reads the description. @throws ModelFileError where the file is not GGUF. */
export async function describeModel(path: string): Promise<ModelDescription & { gguf: Gguf }> {
  const gguf = await readGguf(path);
  const { metadata } = gguf;
  const architecture = String(metadata.get("general.architecture"));
  const number = (key: string): number | null => {
    const value = metadata.get(`${architecture}.${key}`);
    return typeof value === "number" ? value : null;
  };
  const text = (key: string): string | null => {
    const value = metadata.get(key);
    return typeof value === "string" ? value : null;
  };
  const types: Record<string, { tensors: number; bytes: number }> = {};
  let parameters = 0;
  for (const { type, shape, bytes } of gguf.tensors.values()) {
    const { tensors: before, bytes: bytesBefore } = (types[type] ??= { tensors: 0, bytes: 0 });
    types[type] = { tensors: before + 1, bytes: bytesBefore + bytes };
    parameters += elements(shape);
  }
  const pieces = metadata.get("tokenizer.ggml.tokens");
  return {
    gguf,
    name: text("general.name") ?? basename(path, ".gguf"),
    architecture,
    parameters,
    fileBytes: (await stat(path)).size,
    layers: number("block_count"),
    hidden: number("embedding_length"),
    heads: number("attention.head_count"),
    kvHeads: number("attention.head_count_kv"),
    context: number("context_length"),
    vocabulary: Array.isArray(pieces) ? pieces.length : null,
    tokenizer: { model: text("tokenizer.ggml.model"), pre: text("tokenizer.ggml.pre") },
    types,
    chatTemplate: metadata.has("tokenizer.chat_template"),
  };
}

/** What loading the model would say, without loading it. */
export function judgeModel(gguf: Gguf): EngineVerdict {
  try {
    decoderShape(gguf);
    tokenizerFromGguf(gguf.metadata);
    chatTemplateFromGguf(gguf.metadata);
  } catch (error) {
    if (!isProbsError(error)) throw error;
    return { runs: false, reason: error.message };
  }
  const convertedBytes = { int8: 0, f32: 0 };
  for (const { shape } of gguf.tensors.values()) {
    const weights = elements(shape);
    convertedBytes.int8 += weights * (shape.length > 1 ? bytesOfWeight.int8 : bytesOfWeight.f32);
    convertedBytes.f32 += weights * bytesOfWeight.f32;
  }
  return { runs: true, convertedBytes };
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}
