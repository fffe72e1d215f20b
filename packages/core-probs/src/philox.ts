/**
 * Philox4x32-10: 128 random bits as a function of a 128-bit counter and a 64-bit key.
 *
 * Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. Departures: none; the published vectors are tests.
 */

/**
 * The ten round keys of a 64-bit key, as [low, high] pairs.
 *
 * @param low Its lower 32 bits. @param high Its upper 32 bits.
 */
export function roundKeys(low: number, high: number): Int32Array {
  const keys = new Int32Array(20);
  for (let round = 0; round < 10; round++) {
    keys[2 * round] = low + Math.imul(round, 0x9e3779b9);
    keys[2 * round + 1] = high + Math.imul(round, 0xbb67ae85);
  }
  return keys;
}

/** Writes the four words of one block to `out`. The 32 x 32 -> 64 bit products are built from 16-bit halves. */
export function philox(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  keys: Int32Array,
  out: Int32Array,
): void {
  for (let i = 0; i < 20; i += 2) {
    const l0 = c0 & 0xffff;
    const h0 = c0 >>> 16;
    const s0 = (Math.imul(h0, 0x1f53) + (Math.imul(l0, 0x1f53) >>> 16)) | 0;
    const t0 = (Math.imul(l0, 0xd251) + (s0 & 0xffff)) | 0;
    const high0 = (Math.imul(h0, 0xd251) + (s0 >>> 16) + (t0 >>> 16)) | 0;
    const l1 = c2 & 0xffff;
    const h1 = c2 >>> 16;
    const s1 = (Math.imul(h1, 0x8d57) + (Math.imul(l1, 0x8d57) >>> 16)) | 0;
    const t1 = (Math.imul(l1, 0xcd9e) + (s1 & 0xffff)) | 0;
    const high1 = (Math.imul(h1, 0xcd9e) + (s1 >>> 16) + (t1 >>> 16)) | 0;
    const low1 = Math.imul(c2, 0xcd9e8d57);
    const low0 = Math.imul(c0, 0xd2511f53);
    c0 = high1 ^ c1 ^ keys[i];
    c1 = low1;
    c2 = high0 ^ c3 ^ keys[i + 1];
    c3 = low0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}
