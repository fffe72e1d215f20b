/** Copies a GGUF file with its matrices in another type, to compare engines on the same weights. */
import { open } from "node:fs/promises";
import { dequantize, type Gguf, type GgufTensor, toHalf } from "@veridraft/engine-onnx";

/** Types that can be written: blocks of 32 with one float16 scale. */
const encoders = { Q8_0: encodeQ8, Q4_0: encodeQ4 } as const;
export type WritableType = keyof typeof encoders;

/** Numbers of the types in a tensor directory. */
const codes = { Q8_0: 8, Q4_0: 2 } as const;
const blockSize = 32;
const alignment = 32;

/** Writes the copy. Vectors and matrices that are Q8_0 already, the embedding of most files, stay as they are. */
export async function requantize(gguf: Gguf, type: WritableType, path: string): Promise<void> {
  const source = await open(gguf.path);
  const target = await open(path, "w");
  try {
    const tensors = [...gguf.tensors.values()];
    const dataStart = Math.min(...tensors.map(({ offset }) => offset));
    const header = await readAt(source, 0, dataStart);
    // The directory follows the metadata, which are copied as they stand.
    const directoryStart = header.indexOf(encodeName(tensors[0].name));
    const parts: Buffer[] = [header.subarray(0, directoryStart)];
    const data: Buffer[] = [];
    let offset = 0;
    for (const tensor of tensors) {
      const kept = tensor.shape.length < 2 || tensor.type === "Q8_0";
      const raw = await readAt(source, tensor.offset, tensor.bytes);
      const bytes = kept ? raw : encode(tensor, raw, type);
      parts.push(directoryEntry(tensor, kept ? null : codes[type], offset, header));
      const padded = Math.ceil(bytes.length / alignment) * alignment;
      data.push(bytes, Buffer.alloc(padded - bytes.length));
      offset += padded;
    }
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    parts.push(Buffer.alloc(Math.ceil(length / alignment) * alignment - length));
    await target.writev([...parts, ...data]);
  } finally {
    await source.close();
    await target.close();
  }
}

async function readAt(
  file: Awaited<ReturnType<typeof open>>,
  at: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await file.read(bytes, 0, length, at);
  return bytes;
}

/** A string as GGUF writes it. */
function encodeName(name: string): Buffer {
  const bytes = Buffer.alloc(8 + Buffer.byteLength(name));
  bytes.writeBigUInt64LE(BigInt(bytes.length - 8));
  bytes.write(name, 8);
  return bytes;
}

/** An entry of the directory. @param code The new type; null keeps the old one. */
function directoryEntry(
  { name, shape }: GgufTensor,
  code: number | null,
  offset: number,
  header: Buffer,
): Buffer {
  const encoded = encodeName(name);
  const start = header.indexOf(encoded);
  const length = encoded.length + 4 + 8 * shape.length + 4 + 8;
  const entry = Buffer.from(header.subarray(start, start + length));
  if (code !== null) entry.writeUInt32LE(code, length - 12);
  entry.writeBigUInt64LE(BigInt(offset), length - 8);
  return entry;
}

function encode({ type, shape }: GgufTensor, raw: Buffer, wanted: WritableType): Buffer {
  const elements = shape.reduce((product, dimension) => product * dimension, 1);
  return encoders[wanted](dequantize(type, raw, elements));
}

function encodeQ8(values: Float32Array): Buffer {
  const bytes = Buffer.alloc((values.length / blockSize) * 34);
  for (let block = 0; block < values.length / blockSize; block++) {
    const x = values.subarray(block * blockSize, (block + 1) * blockSize);
    const scale = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
    bytes.writeUInt16LE(toHalf(scale), block * 34);
    x.forEach((value, i) =>
      bytes.writeInt8(scale && Math.round(value / scale), block * 34 + 2 + i),
    );
  }
  return bytes;
}

function encodeQ4(values: Float32Array): Buffer {
  const bytes = Buffer.alloc((values.length / blockSize) * 18);
  for (let block = 0; block < values.length / blockSize; block++) {
    const x = values.subarray(block * blockSize, (block + 1) * blockSize);
    const extreme = x.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    const scale = extreme / -8;
    bytes.writeUInt16LE(toHalf(scale), block * 18);
    const quantized = Array.from(x, (value) =>
      scale === 0 ? 8 : Math.min(15, Math.floor(value / scale + 8.5)),
    );
    for (let i = 0; i < 16; i++)
      bytes[block * 18 + 2 + i] = quantized[i] | (quantized[i + 16] << 4);
  }
  return bytes;
}
