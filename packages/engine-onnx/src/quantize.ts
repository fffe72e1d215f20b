/**
 * 8-bit blocks for ONNX Runtime's MatMulNBits and GatherBlockQuantized: block 32 along the input dimension, uint8 with zero point 128, one float32
 * scale a block. Symmetric, so that no zero points are read at run time.
 */
import { readHalf } from "./dequantize.ts";

/** Rows of 8-bit blocks. */
export interface Blocks {
  /** [rows, cols] q + 128. */
  readonly values: Uint8Array;
  /** [rows, cols / 32] */
  readonly scales: Float32Array;
}

/** Elements that share a scale. */
export const blockSize = 32;

/** Rounds float32 values to blocks; a block of zeros gets scale 0. The largest magnitude of a block maps to 127. */
export function quantizeBlocks(values: Float32Array): Blocks {
  const quantized = new Uint8Array(values.length);
  const scales = new Float32Array(values.length / blockSize);
  for (let block = 0; block < scales.length; block++) {
    const start = block * blockSize;
    let largest = 0;
    for (let i = start; i < start + blockSize; i++) {
      const magnitude = Math.abs(values[i]);
      if (magnitude > largest) largest = magnitude;
    }
    scales[block] = largest / 127;
    const inverse = largest === 0 ? 0 : 127 / largest;
    for (let i = start; i < start + blockSize; i++) {
      quantized[i] = Math.round(values[i] * inverse) + 128;
    }
  }
  return { values: quantized, scales };
}

/** Repacks Q8_0 data, whose blocks are the same, without loss. A quant of -128, which no writer produces, still fits: 0. */
export function repackQ8(bytes: Uint8Array, elements: number): Blocks {
  const values = new Uint8Array(elements);
  const scales = new Float32Array(elements / blockSize);
  for (let block = 0, at = 0; block < scales.length; block++, at += 34) {
    scales[block] = readHalf(bytes, at);
    for (let j = 0; j < blockSize; j++) values[block * blockSize + j] = bytes[at + 2 + j] ^ 128;
  }
  return { values, scales };
}

/** Repacks Q4_0 data without loss: scale / 16 and quants times 16, -128 to 112. */
export function repackQ4(bytes: Uint8Array, elements: number): Blocks {
  const values = new Uint8Array(elements);
  const scales = new Float32Array(elements / blockSize);
  for (let block = 0, at = 0; block < scales.length; block++, at += 18) {
    scales[block] = readHalf(bytes, at) / 16;
    for (let j = 0; j < 16; j++) {
      values[block * blockSize + j] = (bytes[at + 2 + j] & 15) << 4;
      values[block * blockSize + j + 16] = bytes[at + 2 + j] & 240;
    }
  }
  return { values, scales };
}
