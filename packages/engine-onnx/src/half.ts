/** IEEE half-precision numbers as 16-bit integers, which JavaScript has no arrays of floats for. */

const halves = new Float32Array(65536);
for (let bits = 0; bits < 65536; bits++) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) halves[bits] = sign * fraction * 2 ** -24;
  else if (exponent === 31) halves[bits] = fraction ? NaN : sign * Infinity;
  else halves[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Reads a half at `at`, its low byte first. */
export function readHalf(bytes: Uint8Array, at: number): number {
  return halves[bytes[at] | (bytes[at + 1] << 8)];
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The half nearest to a float32, ties to even; infinite from 65,520 on. */
export function toHalf(value: number): number {
  float[0] = value;
  const sign = (word[0] >>> 16) & 0x8000;
  const magnitude = word[0] & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00;
  if (magnitude >= 0x4780_0000) return sign | 0x7c00;
  if (magnitude < 0x3880_0000) {
    // Below 2^-14 halves are multiples of 2^-24, and so are the float32 from 0.5 to 1: the sum is rounded to one.
    float[0] = Math.abs(float[0]) + 0.5;
    return sign | (word[0] - 0x3f00_0000);
  }
  const isOdd = (magnitude >>> 13) & 1;
  return sign | (((magnitude + 0xfff + isOdd) >>> 13) - (112 << 10));
}

/** {@link toHalf} of each. */
export function toHalves(values: Float32Array): Uint16Array {
  const halfWords = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halfWords[i] = toHalf(values[i]);
  return halfWords;
}

/** The values of halves. */
export function fromHalves(halfWords: Uint16Array): Float32Array {
  const values = new Float32Array(halfWords.length);
  for (let i = 0; i < values.length; i++) values[i] = halves[halfWords[i]];
  return values;
}
