/**
 * GGML tensor data to float32, a block at a time. Layouts as in ggml-org/ggml, src/ggml-common.h; every product is computed in float64 and rounded
 * once, which equals GGML's float32 arithmetic to the last bit for one multiplication and to one unit for Q4_1 and Q5_1.
 */
import { UnsupportedError } from "@veridraft/core-probs";
import type { GgufType } from "./gguf.ts";

const halves = new Float32Array(65536);
for (let bits = 0; bits < 65536; bits++) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) halves[bits] = sign * fraction * 2 ** -24;
  else if (exponent === 31) halves[bits] = fraction ? NaN : sign * Infinity;
  else halves[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Reads an IEEE half at `at`. */
export function readHalf(bytes: Uint8Array, at: number): number {
  return halves[bytes[at] | (bytes[at + 1] << 8)];
}

/** The tensor types that {@link dequantize} reads. */
export const readableTypes: readonly GgufType[] = [
  "F32",
  "F16",
  "BF16",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q8_0",
];

/**
 * Converts whole blocks to float32.
 *
 * @returns `elements` values in file order.
 * @throws UnsupportedError for a type that is not in {@link readableTypes}.
 */
export function dequantize(type: GgufType, bytes: Uint8Array, elements: number): Float32Array {
  const out = new Float32Array(elements);
  switch (type) {
    case "F32":
      new Uint8Array(out.buffer).set(bytes.subarray(0, 4 * elements));
      return out;
    case "F16":
      for (let i = 0; i < elements; i++) out[i] = readHalf(bytes, 2 * i);
      return out;
    case "BF16": {
      const words = new Uint32Array(out.buffer);
      for (let i = 0; i < elements; i++) words[i] = (bytes[2 * i] << 16) | (bytes[2 * i + 1] << 24);
      return out;
    }
    case "Q8_0": {
      const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let i = 0, at = 0; i < elements; i += 32, at += 34) {
        const scale = readHalf(bytes, at);
        for (let j = 0; j < 32; j++) out[i + j] = scale * signed[at + 2 + j];
      }
      return out;
    }
    case "Q4_0":
      for (let i = 0, at = 0; i < elements; i += 32, at += 18) {
        nibbles(bytes, at + 2, readHalf(bytes, at), -8, 0, null, out, i);
      }
      return out;
    case "Q4_1":
      for (let i = 0, at = 0; i < elements; i += 32, at += 20) {
        nibbles(bytes, at + 4, readHalf(bytes, at), 0, readHalf(bytes, at + 2), null, out, i);
      }
      return out;
    case "Q5_0":
      for (let i = 0, at = 0; i < elements; i += 32, at += 22) {
        nibbles(bytes, at + 6, readHalf(bytes, at), -16, 0, at + 2, out, i);
      }
      return out;
    case "Q5_1":
      for (let i = 0, at = 0; i < elements; i += 32, at += 24) {
        nibbles(bytes, at + 8, readHalf(bytes, at), 0, readHalf(bytes, at + 2), at + 4, out, i);
      }
      return out;
    default:
      throw new UnsupportedError(
        `dequantize: tensor type ${type} cannot be read; supported are ${readableTypes.join(", ")}`,
      );
  }
}

/** One block of 32: value j sits in the low nibble of byte j, value j + 16 in its high nibble; `high` is where 32 fifth bits start. */
function nibbles(
  bytes: Uint8Array,
  at: number,
  scale: number,
  shift: number,
  minimum: number,
  high: number | null,
  out: Float32Array,
  start: number,
): void {
  for (let j = 0; j < 16; j++) {
    const byte = bytes[at + j];
    let low = byte & 15;
    let upper = byte >> 4;
    if (high !== null) {
      low |= ((bytes[high + (j >> 3)] >> (j & 7)) & 1) << 4;
      upper |= ((bytes[high + 2 + (j >> 3)] >> (j & 7)) & 1) << 4;
    }
    out[start + j] = scale * (low + shift) + minimum;
    out[start + j + 16] = scale * (upper + shift) + minimum;
  }
}
