/**
 * The safetensors format: eight bytes with the length of a JSON header, the header, then the tensors one after the other, row-major and
 * little-endian. Files interchange with the Python package; half-precision types are read as float32, the others keep their type.
 */
import { open, type FileHandle } from "node:fs/promises";
import { InvalidArgumentError, ModelFileError, ShapeError } from "@veridraft/core-probs";
import type { HostData } from "./tensor.ts";

/** A tensor of a file: a host tensor, or 64-bit integers, which graphs do not take from the host. */
export interface StoredTensor {
  readonly data: HostData | BigInt64Array;
  readonly shape: readonly number[];
}

/** Tensors by name, and the file's own notes. */
export interface SafetensorsFile {
  readonly tensors: Record<string, StoredTensor>;
  readonly metadata: Record<string, string>;
}

interface Entry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [begin: number, end: number];
}

/** Bytes of an element. In a file wide types come first, so that all tensors are aligned. */
const widths = { I64: 8, F32: 4, I32: 4, BF16: 2, F16: 2, U8: 1 } as const;
type Dtype = keyof typeof widths;

/** As in the reference implementation: a longer header is damage or an attack. */
const maxHeaderBytes = 100_000_000;
/** The system call takes at most 2^31 - 1 bytes. */
const maxReadBytes = 2 ** 30;

/**
 * Writes a file and flushes it to the disk.
 *
 * @throws InvalidArgumentError for the name "__metadata__"; ShapeError where a tensor has not the elements of its shape; the system's error
 * where it cannot be written.
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(["__metadata__", metadata]);
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const [name, { data, shape }] of Object.entries(tensors).toSorted(byWidth)) {
    if (name === "__metadata__") {
      throw new InvalidArgumentError(
        `writeSafetensors: the name ${name} is reserved; rename the tensor`,
      );
    }
    if (data.length !== elements(shape)) {
      throw new ShapeError(
        `writeSafetensors: ${name} has ${data.length} elements, but its shape [${shape.join(", ")}] has ${elements(shape)}`,
      );
    }
    const begin = end;
    end += data.byteLength;
    header.push([name, { dtype: dtypeOf(data), shape, data_offsets: [begin, end] }]);
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(32);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(text, 8);
  const file = await open(path, "w");
  try {
    for (const part of [start, ...parts]) await file.appendFile(part);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Reads a whole file.
 *
 * @throws ModelFileError where the file cannot be read, is damaged, or has a tensor of a type other than F32, F16, BF16, I64, I32 and U8.
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await open(path).catch((cause: Error) => {
    throw new ModelFileError(
      `readSafetensors: ${path} cannot be read (${cause.message}); check the path`,
      { cause },
    );
  });
  try {
    const { size } = await file.stat();
    if (size < 8) throw damaged(path, `it has ${size} bytes, and its header starts after 8`);
    const first = await read(file, 8, 0, path);
    const length = new DataView(first.buffer).getBigUint64(0, true);
    if (length > BigInt(Math.min(maxHeaderBytes, size - 8))) {
      throw damaged(
        path,
        `its header would have ${length} bytes, of at most ${Math.min(maxHeaderBytes, size - 8)}`,
      );
    }
    const start = 8 + Number(length);
    const { __metadata__: metadata = {}, ...entries } = parseHeader(
      await read(file, Number(length), 8, path),
      path,
    );
    checkMetadata(metadata, path);
    checkEntries(entries, size - start, path);
    const tensors: [string, StoredTensor][] = [];
    for (const [name, { dtype, shape, data_offsets }] of Object.entries(entries)) {
      const [begin, end] = data_offsets;
      const bytes = await read(file, end - begin, start + begin, path);
      tensors.push([name, { data: decode(dtype, bytes.buffer), shape }]);
    }
    return { tensors: Object.fromEntries(tensors), metadata };
  } finally {
    await file.close();
  }
}

function parseHeader(bytes: Uint8Array, path: string): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(path, "its header is no JSON", cause);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw damaged(path, "its header is no JSON object");
  }
  return header as Record<string, unknown>;
}

function checkMetadata(
  metadata: unknown,
  path: string,
): asserts metadata is Record<string, string> {
  const values = typeof metadata === "object" && metadata !== null ? Object.values(metadata) : [0];
  if (!values.every((value) => typeof value === "string")) {
    throw damaged(path, "its __metadata__ holds more than text");
  }
}

/** Tensors must fill the file without gaps, as the reference implementation demands. */
function checkEntries(
  entries: Record<string, unknown>,
  size: number,
  path: string,
): asserts entries is Record<string, Entry> {
  const spans: [begin: number, end: number, name: string][] = [];
  for (const [name, value] of Object.entries(entries)) {
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Partial<Entry>;
    if (!Array.isArray(shape) || !shape.every(isCount) || !Array.isArray(offsets)) {
      throw damaged(path, `the entry ${name} has no shape or no place`);
    }
    if (dtype === undefined || !Object.hasOwn(widths, dtype)) {
      throw new ModelFileError(
        `readSafetensors: ${name} in ${path} has type ${dtype}; known are ${Object.keys(widths).join(", ")}`,
      );
    }
    const [begin, end] = offsets;
    if (end - begin !== elements(shape) * widths[dtype]) {
      throw damaged(
        path,
        `${name} of type ${dtype} and shape [${shape.join(", ")}] has ${end - begin} bytes`,
      );
    }
    spans.push([begin, end, name]);
  }
  let at = 0;
  for (const [begin, end, name] of spans.toSorted(([a, b], [c, d]) => a - c || b - d)) {
    if (begin !== at) throw damaged(path, `${name} starts at byte ${begin} of the data, not ${at}`);
    at = end;
  }
  if (at !== size) throw damaged(path, `its tensors have ${at} bytes, its data ${size}`);
}

async function read(
  file: FileHandle,
  length: number,
  position: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const asked = Math.min(length - done, maxReadBytes);
    const { bytesRead } = await file.read(bytes, done, asked, position + done);
    if (bytesRead === 0) throw damaged(path, `it ends at byte ${position + done}`);
    done += bytesRead;
  }
  return bytes;
}

function decode(dtype: Dtype, buffer: ArrayBuffer): StoredTensor["data"] {
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer);
    case "I64":
      return new BigInt64Array(buffer);
    case "I32":
      return new Int32Array(buffer);
    case "U8":
      return new Uint8Array(buffer);
    case "BF16": {
      const words = Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16);
      return new Float32Array(words.buffer);
    }
    case "F16":
      return Float32Array.from(new Uint16Array(buffer), fromHalf);
  }
}

/** The value of an IEEE half. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function dtypeOf(data: StoredTensor["data"]): Dtype {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof BigInt64Array) return "I64";
  return data instanceof Int32Array ? "I32" : "U8";
}

function byWidth([a, left]: [string, StoredTensor], [b, right]: [string, StoredTensor]): number {
  const order = Object.keys(widths);
  const places = order.indexOf(dtypeOf(left.data)) - order.indexOf(dtypeOf(right.data));
  return places || (a < b ? -1 : 1);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function damaged(path: string, what: string, cause?: unknown): ModelFileError {
  return new ModelFileError(`readSafetensors: ${path} is damaged: ${what}; fetch it anew`, {
    cause,
  });
}
