/**
 * Reads GGUF files (version 2 and 3, little-endian): metadata, the tensor directory, and tensors one at a time.
 *
 * Layout: magic "GGUF", version u32, tensor count u64, metadata count u64, the metadata, the directory, then tensor data from the next multiple
 * of `general.alignment`. Format: ggml-org/ggml, docs/gguf.md.
 *
 * Does not: big-endian files, files split into parts.
 */
import { open, type FileHandle } from "node:fs/promises";
import { ModelFileError } from "@veridraft/core-probs";

/** A metadata value; 64-bit integers come as numbers where they are safe integers, numeric arrays as typed arrays or number[]. */
export type GgufValue = number | bigint | boolean | string | GgufValue[];

/** One entry of the tensor directory. */
export interface GgufTensor {
  readonly name: string;
  /** Dimensions, fastest first: a linear layer from K to N is [K, N]. */
  readonly shape: readonly number[];
  readonly type: GgufType;
  /** Absolute offset in the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** A parsed header; tensor data stay in the file. */
export interface Gguf {
  readonly path: string;
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** The offset of the tensor directory, which comes after the metadata. */
  readonly directory: number;
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** Tensor types by their GGML number: name, elements a block, bytes a block. */
const types = {
  0: ["F32", 1, 4],
  1: ["F16", 1, 2],
  2: ["Q4_0", 32, 18],
  3: ["Q4_1", 32, 20],
  6: ["Q5_0", 32, 22],
  7: ["Q5_1", 32, 24],
  8: ["Q8_0", 32, 34],
  10: ["Q2_K", 256, 84],
  11: ["Q3_K", 256, 110],
  12: ["Q4_K", 256, 144],
  13: ["Q5_K", 256, 176],
  14: ["Q6_K", 256, 210],
  30: ["BF16", 1, 2],
} as const satisfies Record<number, readonly [string, number, number]>;

/** A tensor type of GGML by name. */
export type GgufType = (typeof types)[keyof typeof types][0];

/** The GGML number of a type. */
export function codeOf(type: GgufType): number {
  return Number(
    Object.keys(types).find((code) => types[Number(code) as keyof typeof types][0] === type),
  );
}

/** A header larger than this is damage: real ones hold a vocabulary and are below 32 MiB. */
const maxHeaderBytes = 256 * 1024 * 1024;
const maxArrayDepth = 4;

/** Ran off the bytes read so far. */
class NeedMoreBytes extends Error {}

/** Walks the header. */
class Cursor {
  at = 0;
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Start of the next `count` bytes. */
  private take(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) throw new NeedMoreBytes();
    this.at = start + count;
    return start;
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.take(4));
  }

  u64(): number | bigint {
    const value = this.bytes.readBigUInt64LE(this.take(8));
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  }

  /** A u64 that counts or measures something in the file. */
  size(): number {
    const value = this.u64();
    if (typeof value !== "number" || value > 2 ** 40) {
      throw new ModelFileError(`readGguf: a size of ${value} is not possible; the file is damaged`);
    }
    return value;
  }

  text(): string {
    const length = this.size();
    const start = this.take(length);
    return this.bytes.toString("utf8", start, start + length);
  }

  value(type: number, depth = 0): GgufValue {
    const { bytes } = this;
    switch (type) {
      case 0:
        return bytes.readUInt8(this.take(1));
      case 1:
        return bytes.readInt8(this.take(1));
      case 2:
        return bytes.readUInt16LE(this.take(2));
      case 3:
        return bytes.readInt16LE(this.take(2));
      case 4:
        return this.u32();
      case 5:
        return bytes.readInt32LE(this.take(4));
      case 6:
        return bytes.readFloatLE(this.take(4));
      case 7:
        return bytes.readUInt8(this.take(1)) !== 0;
      case 8:
        return this.text();
      case 9: {
        if (depth === maxArrayDepth) throw new ModelFileError("readGguf: arrays nested too deeply");
        const element = this.u32();
        const length = this.size();
        const array: GgufValue[] = [];
        for (let i = 0; i < length; i++) array.push(this.value(element, depth + 1));
        return array;
      }
      case 10:
        return this.u64();
      case 11: {
        const value = bytes.readBigInt64LE(this.take(8));
        return Number.isSafeInteger(Number(value)) ? Number(value) : value;
      }
      case 12:
        return bytes.readDoubleLE(this.take(8));
      default:
        throw new ModelFileError(`readGguf: metadata type ${type} is not one of 0 to 12`);
    }
  }
}

/**
 * Reads the header of a GGUF file.
 *
 * @throws ModelFileError where the file cannot be read, is not GGUF, ends early, or holds a tensor type that is not known.
 */
export async function readGguf(path: string): Promise<Gguf> {
  let handle: FileHandle;
  try {
    handle = await open(path);
  } catch (cause) {
    throw new ModelFileError(`readGguf: cannot open ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new ModelFileError(`readGguf: ${path} is not a file`);
    const { size } = stats;
    for (let length = Math.min(size, 4 * 1024 * 1024); ; length = Math.min(size, 2 * length)) {
      const bytes = Buffer.allocUnsafe(length);
      await handle.read(bytes, 0, length, 0);
      try {
        return parseHeader(path, new Cursor(bytes), size);
      } catch (error) {
        if (!(error instanceof NeedMoreBytes)) throw error;
        if (length === size || length > maxHeaderBytes) {
          throw new ModelFileError(
            `readGguf: ${path} ends inside its header, after ${size} bytes; fetch the file again`,
            { cause: error },
          );
        }
      }
    }
  } finally {
    await handle.close();
  }
}

function parseHeader(path: string, cursor: Cursor, fileBytes: number): Gguf {
  const magic = cursor.u32();
  if (magic !== 0x46554747) throw new ModelFileError(`readGguf: ${path} is not a GGUF file`);
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    throw new ModelFileError(`readGguf: ${path} has GGUF version ${version}; 2 and 3 can be read`);
  }
  const tensorCount = cursor.size();
  const metadataCount = cursor.size();
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    const key = cursor.text();
    metadata.set(key, cursor.value(cursor.u32()));
  }
  const directory = cursor.at;
  const entries: GgufTensor[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.text();
    const dimensions = cursor.u32();
    if (dimensions > 8)
      throw new ModelFileError(`readGguf: tensor ${name} has ${dimensions} dimensions`);
    const shape = Array.from({ length: dimensions }, () => cursor.size());
    const code = cursor.u32();
    const type = types[code as keyof typeof types];
    if (type === undefined) {
      throw new ModelFileError(`readGguf: tensor ${name} has the unknown type ${code}`);
    }
    const [typeName, blockElements, blockBytes] = type;
    const elements = shape.reduce((product, dimension) => product * dimension, 1);
    const bytes = (elements / blockElements) * blockBytes;
    if (!Number.isSafeInteger(bytes)) {
      throw new ModelFileError(
        `readGguf: tensor ${name} of ${elements} elements is not whole blocks`,
      );
    }
    entries.push({ name, shape, type: typeName, offset: cursor.size(), bytes });
  }
  const alignment = Number(metadata.get("general.alignment") ?? 32);
  const start = Math.ceil(cursor.at / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const tensor of entries) {
    const offset = start + tensor.offset;
    if (offset + tensor.bytes > fileBytes) {
      throw new ModelFileError(
        `readGguf: ${path} is truncated: tensor ${tensor.name} ends at byte ${offset + tensor.bytes}, ` +
          `the file has ${fileBytes}; fetch it again`,
      );
    }
    tensors.set(tensor.name, { ...tensor, offset });
  }
  return { path, version, metadata, directory, tensors };
}
