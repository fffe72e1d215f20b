/** Opens model files. */
import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { InvalidArgumentError, UnsupportedError } from "@veridraft/core-probs";
import type { Tokenizer } from "@veridraft/tokenization";
import { adapterHasHalves } from "./adapter.ts";
import { type DecoderShape, decoderShape, fitsHalves, tapsOf } from "./architectures.ts";
import { type CacheType, cacheTypes } from "./cache-type.ts";
import { convertedModel, defaultCacheFolder } from "./convert.ts";
import { usableCpus } from "./cpus.ts";
import type { DeltaGraph } from "./delta-graph.ts";
import { batchSlots } from "./delta-layout.ts";
import { fullGraph, type FullGraph, huggingFaceNames } from "./full-graph.ts";
import type { Gguf } from "./gguf.ts";
import { OnnxModel } from "./model.ts";
import { type ModelSource, type Network, readModelSource } from "./model-source.ts";
import { readOnnxHeader } from "./onnx-header.ts";
import { recalledSelfTest, type SelfTest, shortestContext } from "./self-test.ts";
import { startWorker } from "./start-worker.ts";
import { type Device, devices } from "./session.ts";
import { type WeightFormat, weightFormats } from "./weights.ts";

/** How to run a model. */
export interface LoadOptions {
  /**
   * Of a GGUF file: default "int8"; on cuda "f16", and on webgpu where the adapter has 16-bit floats, else "f32". "f32" is the reference, "row8" the
   * fastest on the CPU. An ONNX graph has the weights that it has.
   */
  readonly weights?: WeightFormat;
  /**
   * Of a GGUF file: runs only the first layers, then the norm and the head, with the same weights: a draft model of the same vocabulary, made from the target
   * without training. Default all.
   */
  readonly layers?: number;
  /** Default "cpu". A device that is not there is refused. */
  readonly device?: Device;
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
   * Sequences that run together, 1 to 8: with 8, eight streams get three times the tokens of one, for a second session's memory. Default 1. Sequences of
   * an ONNX graph run one after another.
   */
  readonly streams?: number;
  /** How keys and values are kept: "f16" takes half the memory of "f32", the default, "int8" not much more than a quarter. For GGUF files on the CPU. */
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
export interface LoadedModel extends SelfTest, Pick<ModelSource, "name" | "chatTemplate"> {
  readonly model: OnnxModel;
  readonly tokenizer: Tokenizer;
  /** Of a GGUF file, in hex; null for an ONNX graph. */
  readonly sha256: string | null;
  /** "onnx" for those of an ONNX graph. */
  readonly weights: WeightFormat | "onnx";
}

/** Reads just the tokenizer of a model. @throws ModelFileError, UnsupportedError as {@link readModelSource}. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  return (await readModelSource(path)).readTokenizer();
}

/**
 * Loads a GGUF file, which is converted at first use, or an ONNX folder or one of its graphs, as it is: starts its session and tests it.
 *
 * @throws ModelFileError for a file that cannot be read; UnsupportedError for an architecture, tensor type, rotary variant or graph that the engine lacks,
 * or a device that cannot be used.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const {
    device = "cpu",
    threads = usableCpus(),
    spinning = usableCpus() === cpus().length,
    affinity,
    streams = 1,
    cacheType = "f32",
    maxCacheBytes = 2 * 1024 ** 3,
    prefixCacheBytes = 128 * 1024 ** 2,
    cacheFolder = defaultCacheFolder(),
  } = options;
  if (!devices.includes(device)) {
    throw new InvalidArgumentError(
      `loadModel: device must be one of ${devices.join(", ")}, got ${String(device)}`,
    );
  }
  if (!cacheTypes.includes(cacheType)) {
    throw new InvalidArgumentError(
      `loadModel: cacheType must be one of ${cacheTypes.join(", ")}, got ${String(cacheType)}`,
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
  // Three things take time: this thread loads ONNX Runtime while the files are read, and the weights while the tokenizer is built.
  const started = startWorker();
  try {
    const { network, readTokenizer, name, chatTemplate } = await readModelSource(path);
    const { graph, weights, contextLength, folder, sha256 } =
      "gguf" in network
        ? await convert(network.gguf, streams, cacheFolder, options)
        : await asItIs(network, cacheFolder, options);
    if (contextLength < shortestContext) {
      throw new UnsupportedError(
        `loadModel: ${path} has a context of ${contextLength} tokens, at least ${shortestContext} are needed`,
      );
    }
    const loading = OnnxModel.load(started, {
      graph,
      session: { device, threads, spinning, affinity },
      contextLength,
      maxCacheBytes,
      prefixCacheBytes,
    });
    const [model, tokenizer] = await Promise.all([loading, Promise.resolve().then(readTokenizer)]);
    const conditions = { device, threads, spinning, streams, cacheType };
    const found = await recalledSelfTest(model, folder, conditions);
    return { name, chatTemplate, model, tokenizer, sha256, weights, ...found };
  } catch (error) {
    await started.worker.terminate();
    throw error;
  }
}

/** What runs, and a folder for what is found out about it. */
interface Prepared {
  readonly graph: DeltaGraph | FullGraph;
  readonly weights: LoadedModel["weights"];
  readonly contextLength: number;
  readonly folder: string;
  readonly sha256: string | null;
}

/** Converts a GGUF file where the cache does not have it. */
async function convert(
  gguf: Gguf,
  streams: number,
  cacheFolder: string,
  { device = "cpu", weights: wanted, cacheType = "f32", layers: kept }: LoadOptions,
): Promise<Prepared> {
  const shape = decoderShape(gguf, kept);
  const weights = wanted ?? (await defaultWeights(device, shape));
  if (!weightFormats.includes(weights)) {
    throw new InvalidArgumentError(
      `loadModel: weights must be one of ${weightFormats.join(", ")}, got ${String(weights)}`,
    );
  }
  if (device === "cpu" && weights === "f16") {
    throw new InvalidArgumentError(
      "loadModel: weights f16 are for a GPU, on the CPU they cost what f32 costs; use int8 or f32",
    );
  }
  if (device !== "cpu" && weights === "row8") {
    throw new InvalidArgumentError(
      `loadModel: weights row8 are for the CPU, device ${device} has no operators for them; use f16, f32 or int8`,
    );
  }
  if (device !== "cpu" && cacheType !== "f32") {
    throw new InvalidArgumentError(
      `loadModel: cacheType is for the CPU, got ${cacheType}; on device ${device} keys and values are kept as the weights compute them`,
    );
  }
  const { sha256, solo, batch, present } = await convertedModel(
    gguf,
    shape,
    weights,
    cacheType,
    cacheFolder,
  );
  const { context, layers, kvHeads, headDim, vocab } = shape;
  const folder = dirname(solo);
  if (device !== "cpu") {
    const graph = fullGraph(readOnnxHeader(present), huggingFaceNames);
    return { graph, weights, contextLength: context, folder, sha256 };
  }
  const graph: DeltaGraph = {
    layout: "delta",
    solo,
    batch: streams > 1 ? batch : null,
    slots: batchSlots,
    layers,
    kvHeads,
    headDim,
    cacheType,
    vocabSize: vocab,
    tapWidth: tapsOf(shape).length * shape.hidden,
  };
  return { graph, weights, contextLength: context, folder, sha256 };
}

async function defaultWeights(device: Device, shape: DecoderShape): Promise<WeightFormat> {
  if (device === "cpu") return "int8";
  if (!fitsHalves(shape)) return "f32";
  return device === "cuda" || (await adapterHasHalves()) ? "f16" : "f32";
}

/** Runs an ONNX graph where it is; what is found out about it is kept by its path, size and time. */
async function asItIs(
  { graph, contextLength }: Extract<Network, { graph: unknown }>,
  cacheFolder: string,
  { device = "cpu", weights, cacheType, layers }: LoadOptions,
): Promise<Prepared> {
  const path = graph.layout === "delta" ? graph.solo : graph.path;
  for (const [name, value] of Object.entries({ weights, cacheType, layers })) {
    if (value === undefined) continue;
    throw new InvalidArgumentError(
      `loadModel: ${name} is for GGUF files, got ${value} for ${path}; leave it out, or give the path of another graph of the folder`,
    );
  }
  if (graph.layout === "delta" && device !== "cpu") {
    throw new UnsupportedError(
      `loadModel: ${path} has the layout of the CPU, got device ${device}; leave it out`,
    );
  }
  const { size, mtimeMs } = await stat(path);
  const about = JSON.stringify([resolve(path), size, mtimeMs]);
  const folder = join(cacheFolder, `${createHash("sha256").update(about).digest("hex")}-onnx`);
  await mkdir(folder, { recursive: true });
  return { graph, weights: "onnx", contextLength, folder, sha256: null };
}
