/** The rows that a model has for its tokens, kept as they are in the file and converted when they are asked for. */
import { open, type FileHandle } from "node:fs/promises";
import { ModelFileError } from "@veridraft/core-probs";
import { readBytes, readFloats } from "./convert.ts";
import { dequantize } from "./dequantize.ts";
import { type Gguf, type GgufTensor, readGguf } from "./gguf.ts";

/** A row for each token. */
export interface TokenTable {
  readonly vocabSize: number;
  readonly width: number;
  /** [ids, width] the rows of tokens, each in [0, vocabSize). */
  rows(ids: ArrayLike<number>): Float32Array;
}

/** What a model reads tokens with and what it says them with; mostly the same. */
export interface TokenTables {
  readonly embedding: TokenTable;
  readonly output: TokenTable;
  /** [width] gains of the norm before the output. */
  readonly outputGain: Float32Array;
}

/** Reads them from a GGUF file. @throws ModelFileError for a file without, or one that cannot be read. */
export async function readTokenTables(path: string): Promise<TokenTables> {
  const gguf = await readGguf(path);
  const source = await open(path);
  try {
    const embedding = await tableOf(gguf, source, "token_embd.weight");
    const tied = !gguf.tensors.has("output.weight");
    const output = tied ? embedding : await tableOf(gguf, source, "output.weight");
    const outputGain = await readFloats(source, tensorOf(gguf, "output_norm.weight"));
    return { embedding, output, outputGain };
  } finally {
    await source.close();
  }
}

function tensorOf({ path, tensors }: Gguf, name: string): GgufTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new ModelFileError(`readTokenTables: ${path} has no tensor ${name}`);
  return tensor;
}

async function tableOf(gguf: Gguf, source: FileHandle, name: string): Promise<TokenTable> {
  const tensor = tensorOf(gguf, name);
  return new StoredTable(tensor, await readBytes(source, tensor));
}

class StoredTable implements TokenTable {
  readonly vocabSize: number;
  readonly width: number;
  private readonly type: GgufTensor["type"];
  private readonly bytes: Uint8Array;

  constructor({ shape, type }: GgufTensor, bytes: Uint8Array) {
    [this.width, this.vocabSize] = shape;
    this.type = type;
    this.bytes = bytes;
  }

  rows(ids: ArrayLike<number>): Float32Array {
    const { width } = this;
    const stride = this.bytes.length / this.vocabSize;
    const rows = new Float32Array(ids.length * width);
    for (let i = 0; i < ids.length; i++) {
      const from = this.bytes.subarray(ids[i] * stride, (ids[i] + 1) * stride);
      rows.set(dequantize(this.type, from, width), i * width);
    }
    return rows;
  }
}
