/** Opens model files. */
import { availableParallelism } from "node:os";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { convertedModel, defaultCacheFolder } from "./convert.ts";
import { type Gguf, readGguf } from "./gguf.ts";
import { llamaShape, type WeightFormat, weightFormats } from "./llama.ts";
import { OnnxModel } from "./model.ts";
import { selfTest, type SelfTest } from "./self-test.ts";

/** How to run a model. */
export interface LoadOptions {
  /** Default "int8"; "f32" is the reference. */
  readonly weights?: WeightFormat;
  /** Threads of the session; default all CPUs. */
  readonly threads?: number;
  /** Whether idle threads spin, some 20 % faster for the only session of a machine. A second spinning session slows both. Default true. */
  readonly spinning?: boolean;
  /** Where converted models are kept; default is the user's cache folder. */
  readonly cacheFolder?: string;
}

/** A running model and what was found out about it. */
export interface LoadedModel extends SelfTest {
  readonly model: OnnxModel;
  /** The file's header, for its tokenizer and chat template. */
  readonly gguf: Gguf;
  readonly weights: WeightFormat;
}

/**
 * Loads a GGUF file: converts it at first use, starts its session and tests it.
 *
 * @throws ModelFileError for a file that cannot be read; UnsupportedError for an architecture, tensor type or rotary variant that the engine lacks.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const {
    weights = "int8",
    threads = availableParallelism(),
    spinning = true,
    cacheFolder = defaultCacheFolder(),
  } = options;
  if (!weightFormats.includes(weights)) {
    throw new InvalidArgumentError(
      `loadModel: weights must be one of ${weightFormats.join(", ")}, got ${String(weights)}`,
    );
  }
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InvalidArgumentError(`loadModel: threads must be at least 1, got ${threads}`);
  }
  const gguf = await readGguf(path);
  const shape = llamaShape(gguf);
  const modelPath = await convertedModel(gguf, shape, weights, cacheFolder);
  const model = await OnnxModel.start({
    modelPath,
    threads,
    spinning,
    layers: shape.layers,
    kvHeads: shape.kvHeads,
    headDim: shape.headDim,
    vocabSize: shape.vocab,
    contextLength: shape.context,
  });
  try {
    return { model, gguf, weights, ...(await selfTest(model)) };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}
