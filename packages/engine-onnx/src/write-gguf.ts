/** Writes a GGUF file with the metadata of another one, byte for byte: its tokenizer, its chat template, its sizes. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { bytesOf, writeAt } from "./data-writer.ts";
import { codeOf, type Gguf, type GgufTensor } from "./gguf.ts";

const defaultAlignment = 32;

/**
 * Writes a copy of a file with other tensors. It appears under its name when it is whole.
 *
 * @param read The data of a tensor: its bytes as they are in the file, or new values, which become F32.
 */
export async function writeGguf(
  base: Gguf,
  path: string,
  read: (tensor: GgufTensor) => Promise<Uint8Array | Float32Array>,
): Promise<void> {
  const work = `${path}.${randomUUID()}.part`;
  const source = await open(base.path);
  try {
    const target = await open(work, "w");
    try {
      await writeTo(target, base, source, read);
      await target.sync();
    } finally {
      await target.close();
    }
    await rename(work, path);
  } finally {
    await source.close();
    await rm(work, { force: true });
  }
}

async function writeTo(
  target: FileHandle,
  base: Gguf,
  source: FileHandle,
  read: (tensor: GgufTensor) => Promise<Uint8Array | Float32Array>,
): Promise<void> {
  const alignment = Number(base.metadata.get("general.alignment") ?? defaultAlignment);
  const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
  const head = Buffer.alloc(base.directory);
  await source.read(head, 0, head.length, 0);
  const tensors = [...base.tensors.values()];
  // The directory has the same size whatever the types, so that data can be written before it.
  const directoryBytes = tensors.reduce((bytes, tensor) => bytes + entryBytes(tensor), 0);
  const start = aligned(base.directory + directoryBytes);
  const entries: Buffer[] = [head];
  let offset = 0;
  for (const tensor of tensors) {
    // oxlint-disable-next-line no-await-in-loop -- one tensor at a time is held in memory
    const data = await read(tensor);
    const bytes = bytesOf(data);
    entries.push(entryOf(tensor, data instanceof Float32Array ? "F32" : tensor.type, offset));
    // oxlint-disable-next-line no-await-in-loop -- see above
    await writeAt(target, bytes, start + offset);
    offset = aligned(offset + bytes.length);
  }
  await writeAt(target, Buffer.concat(entries), 0);
}

type Entry = Pick<GgufTensor, "name" | "shape">;

function entryBytes({ name, shape }: Entry): number {
  return 8 + Buffer.byteLength(name) + 4 + 8 * shape.length + 4 + 8;
}

/** The directory's entry: name, dimensions, type, offset. */
function entryOf({ name, shape }: Entry, type: GgufTensor["type"], offset: number): Buffer {
  const entry = Buffer.alloc(entryBytes({ name, shape }));
  let at = entry.writeBigUInt64LE(BigInt(Buffer.byteLength(name)), 0);
  at += entry.write(name, at);
  at = entry.writeUInt32LE(shape.length, at);
  for (const size of shape) at = entry.writeBigUInt64LE(BigInt(size), at);
  at = entry.writeUInt32LE(codeOf(type), at);
  entry.writeBigUInt64LE(BigInt(offset), at);
  return entry;
}
