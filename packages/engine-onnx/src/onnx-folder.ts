/**
 * Finds and reads the files of an ONNX model: a folder of Optimum or Transformers.js (config.json, the graph at its top or in onnx/), or one of
 * onnxruntime-genai (genai_config.json); or one of the graphs of such a folder.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ModelFileError } from "@veridraft/core-probs";
import {
  type ChatTemplate,
  type Tokenizer,
  type TokenizerConfigJson,
  type TokenizerJson,
  tokenizerFromJson,
} from "@veridraft/tokenization";
import { chatTemplateFromJson } from "./chat-template.ts";
import { type DeltaGraph, deltaGraph, isDeltaGraph } from "./delta-graph.ts";
import { type FullGraph, fullGraph, type GraphNames, huggingFaceNames } from "./full-graph.ts";
import { readOnnxHeader } from "./onnx-header.ts";

/** What the files of a model say. */
export interface OnnxFolder {
  /** The name of the folder. */
  readonly name: string;
  readonly graph: DeltaGraph | FullGraph;
  readonly contextLength: number;
  /** Builds its tables. */
  readonly readTokenizer: () => Tokenizer;
  /** Absent where there is none. */
  readonly chatTemplate?: ChatTemplate;
}

/** What the two kinds of config have in common. */
interface Config {
  readonly names: GraphNames;
  /** Path of the graph that the config names. */
  readonly graph?: string;
  readonly contextLength: unknown;
  readonly vocabSize: unknown;
  readonly endIds: unknown;
}

type Json = Readonly<Record<string, unknown>>;

/** Graphs of a folder with 32-bit floats; the others have a suffix, such as `_q4`. */
const preferred = ["model.onnx", "decoder_model_merged.onnx"];

/** Whether a path is an ONNX model: a folder or a file that ends in .onnx. */
export function isOnnx(path: string): boolean {
  return path.endsWith(".onnx") || (existsSync(path) && statSync(path).isDirectory());
}

/**
 * Reads everything but the weights.
 *
 * @param path A folder or a graph.
 * @throws ModelFileError where a file is missing or damaged; UnsupportedError for a graph or a tokenizer that the engine lacks.
 */
export function readOnnxFolder(path: string): OnnxFolder {
  const folder = rootOf(path);
  const config = existsSync(join(folder, "genai_config.json"))
    ? genaiConfig(folder)
    : huggingFaceConfig(folder);
  const file = path.endsWith(".onnx") ? path : (config.graph ?? chooseGraph(folder));
  const { contextLength, vocabSize, endIds } = config;
  if (!isCount(contextLength)) {
    throw new ModelFileError(`readOnnxFolder: the config of ${folder} has no context length`);
  }
  const header = readOnnxHeader(file);
  const graph = isDeltaGraph(header)
    ? deltaGraph(header)
    : fullGraph(header, config.names, isCount(vocabSize) ? vocabSize : undefined);
  const names = (readJson(folder, "tokenizer_config.json") ?? {}) as TokenizerConfigJson;
  const tokenizerJson = readJson(folder, "tokenizer.json");
  if (!tokenizerJson) throw new ModelFileError(`readOnnxFolder: ${folder} has no tokenizer.json`);
  const readTokenizer = (): Tokenizer =>
    tokenizerFromJson(tokenizerJson as unknown as TokenizerJson, names, {
      endIds: [endIds].flat().filter(isCount),
      vocabSize: graph.vocabSize,
    });
  const jinja = join(folder, "chat_template.jinja");
  const source = existsSync(jinja) ? readFileSync(jinja, "utf8") : undefined;
  const chatTemplate = chatTemplateFromJson(names, source);
  return { name: basename(resolve(folder)), graph, contextLength, readTokenizer, chatTemplate };
}

/** The folder with the config. */
function rootOf(path: string): string {
  if (!path.endsWith(".onnx")) return path;
  const folder = dirname(path);
  return hasConfig(folder) ? folder : dirname(resolve(folder));
}

function hasConfig(folder: string): boolean {
  return ["config.json", "genai_config.json"].some((file) => existsSync(join(folder, file)));
}

function huggingFaceConfig(folder: string): Config {
  const config = readJson(folder, "config.json");
  if (!config) {
    throw new ModelFileError(
      `readOnnxFolder: ${folder} has neither config.json nor genai_config.json`,
    );
  }
  const text = { ...config, ...(config.text_config as Json | undefined) };
  const generation = readJson(folder, "generation_config.json") ?? {};
  return {
    names: huggingFaceNames,
    contextLength: text.max_position_embeddings ?? text.n_positions,
    vocabSize: text.vocab_size,
    endIds: generation.eos_token_id ?? text.eos_token_id,
  };
}

function genaiConfig(folder: string): Config {
  const model = (readJson(folder, "genai_config.json")?.model ?? {}) as Json;
  const decoder = (model.decoder ?? {}) as Json;
  const inputs = (decoder.inputs ?? {}) as Readonly<Record<string, string>>;
  const outputs = (decoder.outputs ?? {}) as Readonly<Record<string, string>>;
  if (typeof decoder.filename !== "string") {
    throw new ModelFileError(
      `readOnnxFolder: genai_config.json of ${folder} has no model.decoder.filename; a decoder in several files is not supported`,
    );
  }
  const names = huggingFaceNames;
  return {
    names: {
      ids: inputs.input_ids ?? names.ids,
      mask: inputs.attention_mask ?? names.mask,
      positions: inputs.position_ids ?? names.positions,
      keep: names.keep,
      hasPast: names.hasPast,
      pastKey: inputs.past_key_names ?? names.pastKey,
      pastValue: inputs.past_value_names ?? names.pastValue,
      logits: outputs.logits ?? names.logits,
      presentKey: outputs.present_key_names ?? names.presentKey,
      presentValue: outputs.present_value_names ?? names.presentValue,
    },
    graph: join(folder, decoder.filename),
    contextLength: model.context_length,
    vocabSize: model.vocab_size,
    endIds: model.eos_token_id,
  };
}

/** The graph of a folder: that with 32-bit floats, or the only one. */
function chooseGraph(folder: string): string {
  const found = [folder, join(folder, "onnx")].flatMap((each) =>
    existsSync(each)
      ? readdirSync(each)
          .filter((file) => file.endsWith(".onnx"))
          .toSorted()
          .map((file) => join(each, file))
      : [],
  );
  const best = preferred
    .flatMap((name) => found.filter((file) => basename(file) === name))
    .concat(found.length === 1 ? found : []);
  if (best.length > 0) return best[0];
  if (found.length === 0) throw new ModelFileError(`readOnnxFolder: ${folder} has no .onnx file`);
  throw new ModelFileError(
    `readOnnxFolder: ${folder} has no ${preferred.join(" or ")}; give the path of one of ${found.join(", ")}`,
  );
}

/** A JSON file of the folder; undefined where it is not there. */
function readJson(folder: string, name: string): Json | undefined {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Json;
  } catch (cause) {
    throw new ModelFileError(`readOnnxFolder: ${path} is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}
