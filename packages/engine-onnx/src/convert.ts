/**
 * GGUF -> ONNX, once: the converted graph goes to a cache folder, keyed by file hash, layers, format and engine version. An entry is written beside its place and
 * renamed into it, so that it is there whole or not at all; its `done.json` holds the sizes, and an entry that does not match them is rebuilt.
 */
import { randomUUID } from "node:crypto";
import {
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { UnsupportedError } from "@veridraft/core-probs";
import {
  type DecoderShape,
  fitsHalves,
  linearsOf,
  type Rope,
  type TensorPart,
  vectorsOf,
} from "./architectures.ts";
import { type CacheType, cacheTypes } from "./cache-type.ts";
import { DataWriter } from "./data-writer.ts";
import { dequantize } from "./dequantize.ts";
import { fileSha256 } from "./file-hash.ts";
import { type Gguf, type GgufTensor } from "./gguf.ts";
import { buildDecoder, ropeTables, rotaryTables } from "./decoder.ts";
import { batchSlots, deltaLayout } from "./delta-layout.ts";
import type { OpenLayout } from "./layout.ts";
import { presentLayout } from "./present-layout.ts";
import type { Smoothing } from "./smooth-quant.ts";
import {
  type FileMatrix,
  floatsAs,
  type Format,
  formatOf,
  formats,
  type WeightFormat,
} from "./weights.ts";
import { type Blocks, nibblesOfQ4, quantizeBlocks, repackQ4, repackQ8 } from "./quantize.ts";

/** Part of the key: raise it when the graph or the weight layout changes. */
const engineVersion = 7;
/**
 * Files of an entry: for each cache type the graph for one sequence and that for several, the graph for a device, and the weights of all. Halves are for
 * a device only.
 */
const soloFile = (cacheType: CacheType): string => `solo-${cacheType}.onnx`;
const batchFile = (cacheType: CacheType): string => `batch-${cacheType}.onnx`;
const presentFile = "present.onnx";
const dataFile = "weights.bin";
const doneFile = "done.json";

/** Where converted models are kept unless a caller says otherwise: `veridraft` in the cache folder of the user. */
export function defaultCacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "veridraft");
}

/** A converted model: graphs that share their weights. */
export interface ConvertedModel {
  /** Of the file, in hex. */
  readonly sha256: string;
  /** Of the delta layout, for runs of a single sequence. */
  readonly solo: string;
  /** The same, for runs of several. */
  readonly batch: string;
  /** Of the present layout, for a device. */
  readonly present: string;
}

/** The converted model of a GGUF file; converts it where the cache has no whole entry. */
export async function convertedModel(
  gguf: Gguf,
  shape: DecoderShape,
  format: WeightFormat,
  cacheType: CacheType,
  cacheFolder: string,
): Promise<ConvertedModel> {
  const { layers } = shape;
  const sha256 = await fileSha256(gguf.path);
  const key = `${sha256}-${layers}-${format}-v${engineVersion}`;
  const entry = join(cacheFolder, key);
  const converted = {
    sha256,
    solo: join(entry, soloFile(cacheType)),
    batch: join(entry, batchFile(cacheType)),
    present: join(entry, presentFile),
  };
  if (await isWhole(entry)) return converted;
  const work = `${entry}.${randomUUID()}.part`;
  await mkdir(work, { recursive: true });
  try {
    await convert(gguf, shape, formats[format], work);
    // Another process may have put the same entry there in the meantime, and may be reading it.
    if (!(await isWhole(entry))) {
      await rm(entry, { recursive: true, force: true });
      await rename(work, entry);
    }
  } catch (error) {
    if (!(await isWhole(entry))) throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return converted;
}

/** Whether all files of an entry are there in the sizes they were written with. */
async function isWhole(entry: string): Promise<boolean> {
  try {
    const sizes = JSON.parse(await readFile(join(entry, doneFile), "utf8")) as Record<
      string,
      number
    >;
    for (const [file, size] of Object.entries(sizes)) {
      if ((await stat(join(entry, file))).size !== size) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function convert(
  gguf: Gguf,
  shape: DecoderShape,
  format: Format,
  folder: string,
): Promise<void> {
  const onCpu = format.float === "float32" ? cacheTypes : [];
  const graphs = Object.fromEntries([
    [presentFile, presentLayout],
    ...onCpu.flatMap((cacheType) => [
      [soloFile(cacheType), deltaLayout(1, cacheType)],
      [batchFile(cacheType), deltaLayout(batchSlots, cacheType)],
    ]),
  ]);
  const smoothing = format.smooth
    ? await measure(gguf, shape, join(folder, "measured"))
    : undefined;
  const sizes = await writeModel(gguf, shape, format, { folder, dataFile, graphs }, smoothing);
  await writeFile(join(folder, doneFile), JSON.stringify(sizes));
}

/** Finds the factors of smoothing with a model of its own in `folder`. */
async function measure(gguf: Gguf, shape: DecoderShape, folder: string): Promise<Smoothing> {
  // Only here does the caller's thread need ONNX Runtime.
  const { measuring, smoothingOf } = await import("./smooth-quant.ts");
  await mkdir(folder);
  const file = "measured.onnx";
  const graphs = { [file]: deltaLayout(1, "f32") };
  await writeModel(gguf, shape, measuring, { folder, dataFile, graphs });
  const factors = await smoothingOf(gguf, shape, join(folder, file));
  await rm(folder, { recursive: true });
  return factors;
}

/** Files of a model: graphs by name, and one for the weights of all. */
export interface ModelFiles {
  readonly folder: string;
  readonly dataFile: string;
  readonly graphs: Readonly<Record<string, OpenLayout>>;
}

/** Writes a model in a format. @returns Bytes by file. @throws UnsupportedError for gemma3 in float16. */
export async function writeModel(
  gguf: Gguf,
  shape: DecoderShape,
  format: Format,
  { folder, dataFile: data, graphs }: ModelFiles,
  smoothing?: Smoothing,
): Promise<Record<string, number>> {
  if (format.float === "float16" && !fitsHalves(shape)) {
    // Measured: every logit of the real one is NaN.
    throw new UnsupportedError(
      "writeModel: hidden states of gemma3 are larger than float16 holds; use int8 or f32",
    );
  }
  if (format === formats.int4 && ![...gguf.tensors.values()].some(({ type }) => type === "Q4_0")) {
    throw new UnsupportedError(
      `loadModel: weights int4 are exact for tensors of Q4_0 only, and ${gguf.path} has none; use int8`,
    );
  }
  const source = await open(gguf.path);
  const target = await open(join(folder, data), "w");
  try {
    const writer = new DataWriter(target);
    const addFloats = (name: string, dims: readonly number[], values: Float32Array) =>
      writer.add(name, format.float, dims, floatsAs(format.float, values));
    for (const [name, parts] of linearsOf(gguf, shape)) {
      const matrix = matrixOf(source, parts);
      await formatOf(format, name).encode(
        name,
        smoothing?.matrix(name, matrix) ?? matrix,
        writer.add,
      );
    }
    for (const [name, { dims, parts }] of vectorsOf(gguf, shape)) {
      const values = await stackedFloats(source, parts);
      await addFloats(name, dims, smoothing?.norm(name, values) ?? values);
    }
    for (const rope of ropesOf(shape)) {
      const factors = rope.factors && (await readFloats(source, rope.factors));
      const { cos, sin } = rotaryTables(rope, shape, factors);
      const names = ropeTables(rope);
      const dims = [shape.context, shape.headDim / 2];
      await addFloats(names.cos, dims, cos);
      await addFloats(names.sin, dims, sin);
    }
    const sizes: Record<string, number> = { [data]: writer.length };
    for (const [file, layout] of Object.entries(graphs)) {
      const graph = buildDecoder(shape, format, writer.tensors, data, layout);
      await writeFile(join(folder, file), graph);
      sizes[file] = graph.length;
    }
    await target.sync();
    return sizes;
  } finally {
    await source.close();
    await target.close();
  }
}

/** The matrix whose rows are those of its parts. */
function matrixOf(source: FileHandle, parts: readonly TensorPart[]): FileMatrix {
  const cols = parts[0].tensor.shape[0];
  const rows = parts.reduce((sum, { tensor }) => sum + tensor.shape[1], 0);
  return {
    rows,
    cols,
    floats: () => stackedFloats(source, parts),
    blocks: () => stackedBlocks(source, parts, blocksOf),
    nibbles: async () =>
      parts.every(({ tensor }) => tensor.type === "Q4_0")
        ? stackedBlocks(source, parts, (_, bytes, elements) => nibblesOfQ4(bytes, elements))
        : null,
  };
}

/** The blocks of the parts, one after another. */
async function stackedBlocks(
  source: FileHandle,
  parts: readonly TensorPart[],
  read: (type: GgufTensor["type"], bytes: Uint8Array, elements: number) => Blocks,
): Promise<Blocks> {
  const stacked: Blocks[] = [];
  for (const part of parts) {
    const { tensor } = part;
    const { values, scales } = read(
      tensor.type,
      await readBytes(source, tensor),
      elementsOf(tensor),
    );
    stacked.push({ values: halfSplit(values, part), scales: halfSplit(scales, part) });
  }
  const values = new Uint8Array(stacked.reduce((sum, each) => sum + each.values.length, 0));
  const scales = new Float32Array(stacked.reduce((sum, each) => sum + each.scales.length, 0));
  let [value, scale] = [0, 0];
  for (const each of stacked) {
    values.set(each.values, value);
    scales.set(each.scales, scale);
    value += each.values.length;
    scale += each.scales.length;
  }
  return { values, scales };
}

/** The ropes of all layers, each once. */
function ropesOf({ attention }: DecoderShape): Rope[] {
  return [...new Map(attention.flatMap(({ rope }) => (rope ? [[rope.name, rope]] : []))).values()];
}

/** The values of the parts, one after another. */
async function stackedFloats(
  source: FileHandle,
  parts: readonly TensorPart[],
): Promise<Float32Array> {
  const sizes = parts.map(({ tensor }) => elementsOf(tensor));
  const values = new Float32Array(sizes.reduce((sum, size) => sum + size, 0));
  let at = 0;
  for (const [i, part] of parts.entries()) {
    values.set(halfSplit(await readFloats(source, part.tensor), part), at);
    at += sizes[i];
  }
  return values;
}

/**
 * The row of a file that is output `output` of a matrix: rotary pairs that stand side by side in the file are halves of a head.
 *
 * @param heads Whose pairs stand side by side; 0 where all outputs stand as they are.
 */
export function fileRow(output: number, headDim: number, heads: number): number {
  if (heads === 0) return output;
  const place = output % headDim;
  const half = headDim / 2;
  return output - place + (place < half ? 2 * place : 2 * (place - half) + 1);
}

/** The rows of a part, interleaved rotary pairs as halves. */
function halfSplit<T extends Float32Array | Uint8Array>(values: T, part: TensorPart): T {
  const { interleaved: heads, tensor } = part;
  if (heads === 0) return values;
  const rows = tensor.shape[1];
  const width = values.length / rows;
  const out = values.slice() as T;
  for (let row = 0; row < rows; row++) {
    const from = fileRow(row, rows / heads, heads) * width;
    out.set(values.subarray(from, from + width), row * width);
  }
  return out;
}

/** The bytes of a tensor in its file. */
export async function readBytes(source: FileHandle, tensor: GgufTensor): Promise<Uint8Array> {
  const bytes = new Uint8Array(tensor.bytes);
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await source.read(bytes, done, bytes.length - done, tensor.offset + done);
    if (bytesRead === 0) throw new Error(`the file shrank while ${tensor.name} was read`);
    done += bytesRead;
  }
  return bytes;
}

/** Elements of a tensor. */
export function elementsOf(tensor: GgufTensor): number {
  return tensor.shape.reduce((product, dimension) => product * dimension, 1);
}

/** The values of a tensor in its file. */
export async function readFloats(source: FileHandle, tensor: GgufTensor): Promise<Float32Array> {
  return dequantize(tensor.type, await readBytes(source, tensor), elementsOf(tensor));
}

function blocksOf(type: GgufTensor["type"], bytes: Uint8Array, elements: number): Blocks {
  if (type === "Q8_0") return repackQ8(bytes, elements);
  if (type === "Q4_0") return repackQ4(bytes, elements);
  return quantizeBlocks(dequantize(type, bytes, elements));
}
