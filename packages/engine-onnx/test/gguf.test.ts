import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dequantize, loadModel, readGguf } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-gguf-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The first `bytes` bytes of the embedded model, as a file. */
async function cut(bytes: number): Promise<string> {
  const source = await open(smolLM2.path);
  const head = Buffer.alloc(bytes);
  await source.read(head, 0, bytes, 0);
  await source.close();
  const path = join(folder, `cut-${bytes}.gguf`);
  await writeFile(path, head);
  return path;
}

/** A string as GGUF writes it: length, then bytes. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

/** A GGUF of metadata only. */
async function metadataOnly(name: string, entries: Record<string, string>): Promise<string> {
  const head = Buffer.alloc(24);
  head.write("GGUF");
  head.writeUInt32LE(3, 4);
  head.writeBigUInt64LE(BigInt(Object.keys(entries).length), 16);
  const body = Object.entries(entries).flatMap(([key, value]) => [
    text(key),
    Buffer.from([8, 0, 0, 0]),
    text(value),
  ]);
  const path = join(folder, name);
  await writeFile(path, Buffer.concat([head, ...body]));
  return path;
}

describe("readGguf()", () => {
  it("reads metadata and tensors of the embedded model", async () => {
    const { version, metadata, tensors } = await readGguf(smolLM2.path);
    expect(version).toBe(3);
    expect(metadata.get("general.architecture")).toBe("llama");
    expect(metadata.get("llama.block_count")).toBe(30);
    expect(metadata.get("tokenizer.ggml.tokens")).toHaveLength(49_152);
    expect(tensors.size).toBe(272);
    // 192 rows of 18 blocks of 20 bytes
    expect(tensors.get("blk.0.attn_k.weight")).toMatchObject({
      shape: [576, 192],
      type: "Q4_1",
      bytes: 69_120,
    });
  });

  it("says where a file ends too early", async () => {
    await expect(readGguf(await cut(100_000))).rejects.toThrow(
      /ends inside its header, after 100000 bytes; fetch the file again$/,
    );
    await expect(readGguf(await cut(4_000_000))).rejects.toThrow(
      /is truncated: tensor \S+ ends at byte \d+, the file has 4000000; fetch it again$/,
    );
  });

  it("refuses what is not GGUF or not there", async () => {
    const path = join(folder, "text.gguf");
    await writeFile(path, "not a model at all");
    await expect(readGguf(path)).rejects.toThrow(`readGguf: ${path} is not a GGUF file`);
    await expect(readGguf(join(folder, "none.gguf"))).rejects.toThrow(/cannot open .*ENOENT/);
  });

  it("refuses an impossible size", async () => {
    const path = await cut(64);
    const file = await open(path, "r+");
    await file.write(Buffer.alloc(8, 0xff), 0, 8, 8);
    await file.close();
    await expect(readGguf(path)).rejects.toThrow(/a size of \d+ is not possible/);
  });
});

describe("loadModel()", () => {
  it("names an architecture that it lacks", async () => {
    const path = await metadataOnly("mamba.gguf", { "general.architecture": "mamba" });
    await expect(loadModel(path, { cacheFolder: folder })).rejects.toThrow(
      "decoderShape: architecture mamba is not supported; supported are llama, qwen2, qwen3, gemma3, phi3, smollm3",
    );
  });

  it("checks its options", async () => {
    await expect(loadModel(smolLM2.path, { threads: 0 })).rejects.toThrow(
      "loadModel: threads must be at least 1, got 0",
    );
    await expect(loadModel(smolLM2.path, { weights: "int3" as never })).rejects.toThrow(
      "loadModel: weights must be one of int8, int8-64, int4, row8, f32, f16, got int3",
    );
  });
});

describe("dequantize()", () => {
  // One block each, scale 0.5 (half 0x3800), minimum 1 (half 0x3c00); worked by hand from ggml-common.h.
  const nibbles = Array.from({ length: 16 }, (_, j) => j | ((15 - j) << 4));

  it("reads Q4_0 as scale * (q - 8)", () => {
    const out = dequantize("Q4_0", Uint8Array.from([0, 0x38, ...nibbles]), 32);
    expect([out[0], out[15], out[16], out[31]]).toEqual([-4, 3.5, 3.5, -4]);
  });

  it("reads Q4_1 as scale * q + minimum", () => {
    const out = dequantize("Q4_1", Uint8Array.from([0, 0x38, 0, 0x3c, ...nibbles]), 32);
    expect([out[0], out[15], out[16], out[31]]).toEqual([1, 8.5, 8.5, 1]);
  });

  it("reads the fifth bits of Q5_0 and Q5_1", () => {
    // fifth bit set for elements 0 and 31
    const high = [1, 0, 0, 0x80];
    const q50 = dequantize("Q5_0", Uint8Array.from([0, 0x38, ...high, ...nibbles]), 32);
    expect([q50[0], q50[1], q50[31]]).toEqual([0, -7.5, 0]);
    const q51 = dequantize("Q5_1", Uint8Array.from([0, 0x38, 0, 0x3c, ...high, ...nibbles]), 32);
    expect([q51[0], q51[1], q51[31]]).toEqual([9, 1.5, 9]);
  });

  it("reads Q8_0, F16 and BF16", () => {
    const q8 = Uint8Array.from([0, 0x38, ...Array.from({ length: 32 }, (_, j) => (j - 16) & 255)]);
    expect(Array.from(dequantize("Q8_0", q8, 32)).slice(0, 2)).toEqual([-8, -7.5]);
    expect([...dequantize("F16", Uint8Array.of(0, 0xbc, 1, 0), 2)]).toEqual([-1, 2 ** -24]);
    expect([...dequantize("BF16", Uint8Array.of(0xc0, 0x3f), 1)]).toEqual([1.5]);
  });

  it("names a type that it cannot read", () => {
    expect(() => dequantize("Q3_K", new Uint8Array(110), 256)).toThrow(
      "dequantize: tensor type Q3_K cannot be read; supported are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K",
    );
  });
});
