/**
 * GGML tensor data to float32, a block at a time. Layouts as in ggml-org/ggml, src/ggml-common.h. A value is computed in float64, where products of
 * halves and small integers and their sums are exact, and rounded once: GGML's float32 arithmetic to the last bit.
 */
import { UnsupportedError } from "@veridraft/core-probs";
import type { GgufType } from "./gguf.ts";
import { readHalf } from "./half.ts";

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
  "Q4_K",
  "Q5_K",
  "Q6_K",
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
        nibbles(bytes, at + 2, readHalf(bytes, at), -8, -0, null, out, i);
      }
      return out;
    case "Q4_1":
      for (let i = 0, at = 0; i < elements; i += 32, at += 20) {
        nibbles(bytes, at + 4, readHalf(bytes, at), 0, readHalf(bytes, at + 2), null, out, i);
      }
      return out;
    case "Q5_0":
      for (let i = 0, at = 0; i < elements; i += 32, at += 22) {
        nibbles(bytes, at + 6, readHalf(bytes, at), -16, -0, at + 2, out, i);
      }
      return out;
    case "Q5_1":
      for (let i = 0, at = 0; i < elements; i += 32, at += 24) {
        nibbles(bytes, at + 8, readHalf(bytes, at), 0, readHalf(bytes, at + 2), at + 4, out, i);
      }
      return out;
    case "Q4_K":
      for (let i = 0, at = 0; i < elements; i += 256, at += 144) {
        superBlock(bytes, at, at + 16, null, out, i);
      }
      return out;
    case "Q5_K":
      for (let i = 0, at = 0; i < elements; i += 256, at += 176) {
        superBlock(bytes, at, at + 48, at + 16, out, i);
      }
      return out;
    case "Q6_K":
      for (let i = 0, at = 0; i < elements; i += 256, at += 210) {
        sixBits(bytes, at, out, i);
      }
      return out;
    default:
      throw new UnsupportedError(
        `dequantize: tensor type ${type} cannot be read; supported are ${readableTypes.join(", ")}`,
      );
  }
}

/** One block of 32: value j sits in the low nibble of byte j, value j + 16 in its high nibble; `high` is where 32 fifth bits start.
 * A minimum of -0 leaves zeros the sign they have. */
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

/**
 * One super-block of Q4_K or Q5_K: scale, minimum, eight 6-bit scales and minima of blocks of 32, then nibbles. Blocks 2n and 2n + 1 are the low and
 * the high nibbles of 32 bytes; bit b of byte j from `high` is the fifth bit of value j of block b.
 */
function superBlock(
  bytes: Uint8Array,
  at: number,
  low: number,
  high: number | null,
  out: Float32Array,
  start: number,
): void {
  const scale = readHalf(bytes, at);
  const minimum = readHalf(bytes, at + 2);
  const packed = at + 4;
  for (let block = 0; block < 8; block++) {
    let factor: number;
    let offset: number;
    if (block < 4) {
      factor = bytes[packed + block] & 63;
      offset = bytes[packed + block + 4] & 63;
    } else {
      factor = (bytes[packed + block + 4] & 15) | ((bytes[packed + block - 4] >> 6) << 4);
      offset = (bytes[packed + block + 4] >> 4) | ((bytes[packed + block] >> 6) << 4);
    }
    factor *= scale;
    offset *= minimum;
    const from = low + 32 * (block >> 1);
    const to = start + 32 * block;
    const shift = 4 * (block & 1);
    for (let j = 0; j < 32; j++) {
      let value = (bytes[from + j] >> shift) & 15;
      if (high !== null) value |= ((bytes[high + j] >> block) & 1) << 4;
      out[to + j] = factor * value - offset;
    }
  }
}

/**
 * One super-block of Q6_K: low four bits, high two bits, signed scales of blocks of 16, scale. Group g of 32 values has its low bits in a nibble of the
 * bytes from 64 (g / 4) + 32 (g % 2), its high bits in a bit pair of those from 128 + 32 (g / 4).
 */
function sixBits(bytes: Uint8Array, at: number, out: Float32Array, start: number): void {
  const scale = readHalf(bytes, at + 208);
  for (let group = 0; group < 8; group++) {
    const half = group >> 2;
    const low = at + 64 * half + 32 * (group & 1);
    const lowShift = 4 * ((group >> 1) & 1);
    const high = at + 128 + 32 * half;
    const highShift = 2 * (group & 3);
    for (let j = 0; j < 32; j++) {
      const factor = (bytes[at + 192 + 2 * group + (j >> 4)] << 24) >> 24;
      const value =
        ((bytes[low + j] >> lowShift) & 15) | (((bytes[high + j] >> highShift) & 3) << 4);
      out[start + 32 * group + j] = scale * factor * (value - 32);
    }
  }
}
