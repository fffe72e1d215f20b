/**
 * exp and log for rows of float32: table and short polynomial. About three times as fast as Math.exp and Math.log (bench/kernels.bench.ts), and
 * far closer to the true value than float32 can tell.
 */

const stepsPerUnit = 32 / Math.LN2;
const unitsPerStep = Math.LN2 / 32;
const smallest = -104;
const powers = Float64Array.from(
  { length: Math.ceil(-smallest * stepsPerUnit) + 2 },
  (_, i) => 2 ** (-i / 32),
);

/** e^x for x <= 0, relative error below 1e-9; 0 below -104, where float32 underflows. NaN gives NaN. */
export function expNegative(x: number): number {
  if (x < smallest) return 0;
  const steps = (0.5 - x * stepsPerUnit) | 0;
  const rest = x + steps * unitsPerStep;
  return powers[steps] * (1 + rest * (1 + rest * (0.5 + rest * (1 / 6))));
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
const centers = Float64Array.from({ length: 256 }, (_, i) => 1 + (i + 0.5) / 256);
const inverses = centers.map((center) => 1 / center);
const logs = centers.map((center) => Math.log(center));

/** Natural log of a non-negative float32, absolute error below 1e-11; -Infinity for 0. */
export function logFloat(x: number): number {
  if (x < 2 ** -126) return Math.log(x);
  float[0] = x;
  const word = bits[0];
  const cell = (word >>> 15) & 255;
  const rest = (1 + (word & 0x7fffff) * 2 ** -23) * inverses[cell] - 1;
  const mantissa = logs[cell] + rest * (1 - rest * (0.5 - rest * (1 / 3)));
  return ((word >>> 23) - 127) * Math.LN2 + mantissa;
}
