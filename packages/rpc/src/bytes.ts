/**
 * Numeric arrays travel as little-endian `bytes`: some thirty times cheaper than `repeated` fields. Decoders copy once into an aligned array
 * that the caller owns, because the bytes of a decoded message are a view of the receive buffer.
 */
import { invalidField } from "./error.ts";

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

type Numbers = Int32Array | Uint32Array | Float32Array | Float64Array;

function toBytes(values: Numbers): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (!littleEndian) swap(bytes, values.BYTES_PER_ELEMENT);
  return bytes;
}

/** A copy of `bytes` at offset 0 of a buffer of its own. */
function aligned(bytes: Uint8Array, size: 4 | 8, field: string, maxCount: number): ArrayBuffer {
  if (bytes.length % size !== 0) {
    throw invalidField(field, `${bytes.length} bytes are not a multiple of ${size}`);
  }
  if (bytes.length / size > maxCount) {
    throw invalidField(field, `at most ${maxCount} numbers, got ${bytes.length / size}`);
  }
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  if (!littleEndian) swap(copy, size);
  return copy.buffer;
}

function swap(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (size === 4) buffer.swap32();
  else buffer.swap64();
}

/** @throws RangeError for a value that is not an integer in [-2^31, 2^31). */
export function encodeInt32(values: ArrayLike<number>): Uint8Array {
  const copy = new Int32Array(values);
  for (let i = 0; i < copy.length; i++) {
    if (copy[i] !== values[i]) throw new RangeError(`encodeInt32: [${i}] is ${values[i]}`);
  }
  return toBytes(copy);
}

/** @throws RangeError for a value that is not an integer in [0, 2^32). */
export function encodeUint32(values: ArrayLike<number>): Uint8Array {
  const copy = new Uint32Array(values);
  for (let i = 0; i < copy.length; i++) {
    if (copy[i] !== values[i]) throw new RangeError(`encodeUint32: [${i}] is ${values[i]}`);
  }
  return toBytes(copy);
}

/** Rounds to float32. */
export function encodeFloat32(values: ArrayLike<number>): Uint8Array {
  return toBytes(new Float32Array(values));
}

/** Keeps every bit. */
export function encodeFloat64(values: ArrayLike<number>): Uint8Array {
  return toBytes(new Float64Array(values));
}

/**
 * @param field Name of the field, for errors.
 * @param maxCount Most numbers taken.
 * @throws RpcError INVALID_ARGUMENT for a length that is not a multiple of 4 or above `maxCount` numbers.
 */
export function decodeInt32(bytes: Uint8Array, field: string, maxCount: number): Int32Array {
  return new Int32Array(aligned(bytes, 4, field, maxCount));
}

/** As {@link decodeInt32}. */
export function decodeUint32(bytes: Uint8Array, field: string, maxCount: number): Uint32Array {
  return new Uint32Array(aligned(bytes, 4, field, maxCount));
}

/** As {@link decodeInt32}. */
export function decodeFloat32(bytes: Uint8Array, field: string, maxCount: number): Float32Array {
  return new Float32Array(aligned(bytes, 4, field, maxCount));
}

/** As {@link decodeInt32}, with a multiple of 8. */
export function decodeFloat64(bytes: Uint8Array, field: string, maxCount: number): Float64Array {
  return new Float64Array(aligned(bytes, 8, field, maxCount));
}
