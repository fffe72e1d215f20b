import type { FileHandle } from "node:fs/promises";
import type { ExternalTensor } from "@veridraft/autodiff/onnx";
import type { AddTensor } from "./weights.ts";

const alignment = 4096;

/** Writes all bytes at an offset, in as many calls as the system takes. */
export async function writeAt(
  handle: FileHandle,
  bytes: Uint8Array,
  offset: number,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

/** The bytes of an array. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Appends tensors to the data file of a model, each at a page boundary, as ONNX Runtime wants for mapping. */
export class DataWriter {
  readonly tensors = new Map<string, ExternalTensor>();
  length = 0;
  private readonly handle: FileHandle;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  readonly add: AddTensor = async (name, type, dims, data) => {
    const offset = Math.ceil(this.length / alignment) * alignment;
    const bytes = bytesOf(data);
    await writeAt(this.handle, bytes, offset);
    this.tensors.set(name, { type, dims, offset, bytes: bytes.length });
    this.length = offset + bytes.length;
  };
}
