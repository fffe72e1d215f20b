import { readFileSync } from "node:fs";
import { dequantize, type GgufType } from "@veridraft/engine-onnx";
import { describe, expect, it } from "vitest";

/** Bytes and float32 values of each type, as base64, from `gguf.quants` (fixtures/make-gguf.py). */
const fixture = JSON.parse(
  readFileSync(new URL("fixtures/gguf/tensor-types.json", import.meta.url), "utf8"),
) as Record<GgufType, { readonly bytes: string; readonly values: string }>;

describe("dequantize()", () => {
  it.each(Object.entries(fixture))("reads %s as gguf does, bit for bit", (type, recorded) => {
    const expected = Buffer.from(recorded.values, "base64");
    const bytes = Buffer.from(recorded.bytes, "base64");
    const values = dequantize(type as GgufType, bytes, expected.length / 4);
    expect(Buffer.from(values.buffer).equals(expected)).toBe(true);
  });
});
