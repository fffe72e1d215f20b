/** What the files of a model say, of either kind, without loading it. */
import { basename } from "node:path";
import { type ChatTemplate, type Tokenizer, tokenizerFromGguf } from "@veridraft/tokenization";
import { chatTemplateFromGguf } from "./chat-template.ts";
import type { DeltaGraph } from "./delta-graph.ts";
import type { FullGraph } from "./full-graph.ts";
import { type Gguf, readGguf } from "./gguf.ts";
import { isOnnx, readOnnxFolder } from "./onnx-folder.ts";

/** The network: still in the file, or a graph that runs as it is. */
export type Network =
  | { readonly gguf: Gguf }
  | { readonly graph: DeltaGraph | FullGraph; readonly contextLength: number };

/** A model, without its weights. */
export interface ModelSource {
  /** The name in the file, or the file's or folder's name. */
  readonly name: string;
  readonly network: Network;
  /** Null where a GGUF file does not say. */
  readonly contextLength: number | null;
  /** Builds its tables, which takes a moment. @throws UnsupportedError for a tokenizer that the engine lacks. */
  readonly readTokenizer: () => Tokenizer;
  /** Absent where the files have none. */
  readonly chatTemplate?: ChatTemplate;
}

/**
 * Reads a GGUF file, an ONNX folder, or a graph of such a folder.
 *
 * @throws ModelFileError for files that cannot be read; UnsupportedError for an ONNX graph that the engine lacks.
 */
export async function readModelSource(path: string): Promise<ModelSource> {
  if (isOnnx(path)) {
    const { graph, ...rest } = readOnnxFolder(path);
    return { ...rest, network: { graph, contextLength: rest.contextLength } };
  }
  const gguf = await readGguf(path);
  const { metadata } = gguf;
  const architecture = String(metadata.get("general.architecture"));
  const contextLength = metadata.get(`${architecture}.context_length`);
  return {
    name: String(metadata.get("general.name") ?? basename(path, ".gguf")),
    network: { gguf },
    contextLength: typeof contextLength === "number" ? contextLength : null,
    readTokenizer: () => tokenizerFromGguf(metadata),
    chatTemplate: chatTemplateFromGguf(metadata),
  };
}
