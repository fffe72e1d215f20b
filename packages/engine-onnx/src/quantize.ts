/**
 * 8-bit weights, symmetric, so that no zero points of them are read at run time: blocks along the input dimension for ONNX Runtime's MatMulNBits and
 * GatherBlockQuantized, uint8 with zero point 128 and one float32 scale a block; and whole outputs for MatMulIntegerToFloat, int8 with one scale each.
 */
import { readHalf } from "./half.ts";

/** Rows of 8-bit or 4-bit blocks. */
export interface Blocks {
  /** [rows, cols] q + 128; of 4 bits [rows, cols / 2] q + 8, the even of two neighbours low. */
  readonly values: Uint8Array;
  /** [rows, cols / size] */
  readonly scales: Float32Array;
}

/** Elements that share a scale in the 8-bit and 4-bit blocks of GGUF files. */
export const blockSize = 32;

/** Rounds float32 values to blocks of `size`; a block of zeros gets scale 0. The largest magnitude of a block maps to 127. */
export function quantizeBlocks(values: Float32Array, size = blockSize): Blocks {
  const quantized = new Uint8Array(values.length);
  const scales = new Float32Array(values.length / size);
  for (let block = 0; block < scales.length; block++) {
    const start = block * size;
    const largest = largestMagnitude(values, start, start + size);
    scales[block] = largest / 127;
    const inverse = largest === 0 ? 0 : 127 / largest;
    for (let i = start; i < start + size; i++) {
      quantized[i] = Math.round(values[i] * inverse) + 128;
    }
  }
  return { values: quantized, scales };
}

/** Whole outputs of a linear layer. */
export interface Outputs {
  /** [cols, rows], inputs before outputs. */
  readonly values: Int8Array;
  /** [rows] */
  readonly scales: Float32Array;
}

/** Rounds the rows of a matrix [rows, cols] with one scale each, and transposes it. */
export function quantizeOutputs(values: Float32Array, cols: number): Outputs {
  const rows = values.length / cols;
  const quantized = new Int8Array(values.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const largest = largestMagnitude(values, row * cols, (row + 1) * cols);
    scales[row] = largest / 127;
    const inverse = largest === 0 ? 0 : 127 / largest;
    for (let col = 0; col < cols; col++) {
      quantized[col * rows + row] = Math.round(values[row * cols + col] * inverse);
    }
  }
  return { values: quantized, scales };
}

function largestMagnitude(values: Float32Array, start: number, end: number): number {
  let largest = 0;
  for (let i = start; i < end; i++) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
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

/** Q4_0 data as they are: nibbles of neighbours together, where the file has those of a block's halves. */
export function nibblesOfQ4(bytes: Uint8Array, elements: number): Blocks {
  const values = new Uint8Array(elements / 2);
  const scales = new Float32Array(elements / blockSize);
  for (let block = 0, at = 0; block < scales.length; block++, at += 18) {
    scales[block] = readHalf(bytes, at);
    for (let j = 0; j < 16; j++) {
      // Elements 2j and 2j + 1 of a half stand in the same nibble of neighbouring bytes.
      const [low, high] = [bytes[at + 2 + ((2 * j) & 15)], bytes[at + 2 + ((2 * j + 1) & 15)]];
      values[block * 16 + j] = j < 8 ? (low & 15) | ((high & 15) << 4) : (low >> 4) | (high & 240);
    }
  }
  return { values, scales };
}
