/** Opens model files. */
import { cpus } from "node:os";
import { basename, dirname } from "node:path";
import { InvalidArgumentError } from "@veridraft/core-probs";
import {
  type ChatTemplate,
  chatTemplateFromGguf,
  type Tokenizer,
  tokenizerFromGguf,
} from "@veridraft/tokenization";
import { decoderShape } from "./architectures.ts";
import { type CacheType, cacheTypes } from "./cache-type.ts";
import { convertedModel, defaultCacheFolder } from "./convert.ts";
import { usableCpus } from "./cpus.ts";
import { readGguf } from "./gguf.ts";
import { batchSlots } from "./delta-layout.ts";
import { OnnxModel } from "./model.ts";
import { recalledSelfTest, type SelfTest } from "./self-test.ts";
import { type WeightFormat, weightFormats } from "./weights.ts";

/** How to run a model. */
export interface LoadOptions {
  /** Default "int8"; "f32" is the reference, "row8" the fastest. */
  readonly weights?: WeightFormat;
  /** Threads of the session; default all CPUs that the process may use. */
  readonly threads?: number;
  /**
   * Whether idle threads spin, some 20 % faster for the only session of a machine. A second spinning session slows both, and a quota is used up by it.
   * Default: where the process may use all CPUs.
   */
  readonly spinning?: boolean;
  /** CPUs of each thread but the first, as ONNX Runtime writes them: "2;3" or "1-2;3-4", counted from 1. Default: the system decides. */
  readonly affinity?: string;
  /**
   * Sequences that run together, 1 to 8: with 8, eight streams get three times the tokens of one, for a second session's memory. Default 1.
   */
  readonly streams?: number;
  /** How keys and values are kept: "f16" takes half the memory of "f32", the default, "int8" not much more than a quarter. */
  readonly cacheType?: CacheType;
  /** Most bytes of keys and values of all sequences; a forward that needs more is refused. Default 2 GiB. */
  readonly maxCacheBytes?: number;
  /**
   * Most bytes of keys and values that are kept when a sequence ends, for one that begins with the same tokens; 0 keeps none. Users that share a model
   * can tell from the time of a first token that another one had the same prompt. Default 128 MiB.
   */
  readonly prefixCacheBytes?: number;
  /** Where converted models are kept; default is the user's cache folder. */
  readonly cacheFolder?: string;
}

/** A running model and what was found out about it. */
export interface LoadedModel extends SelfTest {
  readonly model: OnnxModel;
  readonly tokenizer: Tokenizer;
  /** Absent where the file has none. */
  readonly chatTemplate?: ChatTemplate;
  /** The name in the file, or the file's name. */
  readonly name: string;
  readonly weights: WeightFormat;
}

/** Reads just the tokenizer of a GGUF file. @throws ModelFileError, UnsupportedError as {@link loadModel}. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  return tokenizerFromGguf((await readGguf(path)).metadata);
}

/**
 * Loads a GGUF file: converts it at first use, starts its session and tests it.
 *
 * @throws ModelFileError for a file that cannot be read; UnsupportedError for an architecture, tensor type or rotary variant that the engine lacks.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const {
    weights = "int8",
    threads = usableCpus(),
    spinning = usableCpus() === cpus().length,
    affinity,
    streams = 1,
    cacheType = "f32",
    maxCacheBytes = 2 * 1024 ** 3,
    prefixCacheBytes = 128 * 1024 ** 2,
    cacheFolder = defaultCacheFolder(),
  } = options;
  if (!weightFormats.includes(weights)) {
    throw new InvalidArgumentError(
      `loadModel: weights must be one of ${weightFormats.join(", ")}, got ${String(weights)}`,
    );
  }
  if (!cacheTypes.includes(cacheType)) {
    throw new InvalidArgumentError(
      `loadModel: cacheType must be one of ${cacheTypes.join(", ")}, got ${String(cacheType)}`,
    );
  }
  if (weights === "f16") {
    throw new InvalidArgumentError(
      "loadModel: weights f16 are for a GPU, on the CPU they cost what f32 costs; use int8 or f32",
    );
  }
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InvalidArgumentError(`loadModel: threads must be at least 1, got ${threads}`);
  }
  if (!Number.isInteger(streams) || streams < 1 || streams > batchSlots) {
    throw new InvalidArgumentError(
      `loadModel: streams must be an integer in [1, ${batchSlots}], got ${streams}`,
    );
  }
  const gguf = await readGguf(path);
  const shape = decoderShape(gguf);
  const tokenizer = tokenizerFromGguf(gguf.metadata);
  const chatTemplate = chatTemplateFromGguf(gguf.metadata);
  const name = String(gguf.metadata.get("general.name") ?? basename(path, ".gguf"));
  const { solo, batch } = await convertedModel(gguf, shape, weights, cacheType, cacheFolder);
  const model = await OnnxModel.start({
    solo,
    batch: streams > 1 ? batch : null,
    slots: batchSlots,
    maxCacheBytes,
    prefixCacheBytes,
    threads,
    spinning,
    affinity,
    layers: shape.layers,
    kvHeads: shape.kvHeads,
    headDim: shape.headDim,
    cacheType,
    vocabSize: shape.vocab,
    contextLength: shape.context,
  });
  try {
    const conditions = { threads, spinning, streams, cacheType };
    const found = await recalledSelfTest(model, dirname(solo), conditions);
    return { model, tokenizer, chatTemplate, name, weights, ...found };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}
