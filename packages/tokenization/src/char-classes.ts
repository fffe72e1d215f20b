/**
 * Classes of characters as bits, for scanners of UTF-8: a table of ASCII, and one of each 1,024 code points, made when the first of them is met.
 *
 * The classes are those of JavaScript's regular expressions, but white space is Rust's: with U+0085, without U+FEFF.
 */

/** \p{L} */
export const letter = 1;
/** \p{N} */
export const number = 2;
/** \s */
export const space = 4;
/** [^\s\p{L}\p{N}] */
export const other = 8;
/** [\r\n], which are white space, too. */
export const newline = 16;
/** [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] */
export const upper = 32;
/** [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
export const lower = 64;
/** A letter that is not in [a-z]. */
export const notSmall = 128;
/** A letter that is not in [A-Z]. */
export const notCapital = 256;

const classes: readonly (readonly [number, RegExp])[] = [
  [letter, /\p{L}+/gu],
  [number, /\p{N}+/gu],
  [space, /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu],
  [newline, /[\r\n]/gu],
  [upper, /[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+/gu],
  [lower, /[\p{Ll}\p{Lm}\p{Lo}\p{M}]+/gu],
  [notSmall, /(?:(?![a-z])\p{L})+/gu],
  [notCapital, /(?:(?![A-Z])\p{L})+/gu],
];

const pageSize = 1024;
const pages: (Uint16Array | undefined)[] = Array.from({ length: 0x110000 / pageSize });

/** Bits of the code points from `first` on; surrogates are `other`. */
function classify(first: number, count: number): Uint16Array {
  const bits = new Uint16Array(count);
  const units = first < 0x10000 ? 1 : 2;
  const codes = Array.from({ length: count }, (_, i) => first + i);
  // A surrogate must not meet its other half in this text.
  const text = codes
    .map((code) => String.fromCodePoint(code >= 0xd800 && code < 0xe000 ? 0xfffd : code))
    .join("");
  for (const [bit, pattern] of classes) {
    for (const match of text.matchAll(pattern)) {
      const start = match.index / units;
      const end = start + match[0].length / units;
      for (let i = start; i < end; i++) bits[i] |= bit;
    }
  }
  for (let i = 0; i < count; i++) if ((bits[i] & (letter | number | space)) === 0) bits[i] |= other;
  return bits;
}

/** By hand: the regular expressions take milliseconds to compile, and English never needs them. */
const ascii = Uint16Array.from({ length: 128 }, (_, code) => {
  if (code >= 0x41 && code <= 0x5a) return letter | upper | notSmall;
  if (code >= 0x61 && code <= 0x7a) return letter | lower | notCapital;
  if (code >= 0x30 && code <= 0x39) return number;
  if (code === 0x0a || code === 0x0d) return space | newline;
  return code === 0x20 || (code >= 0x09 && code <= 0x0c) ? space : other;
});

/** Bits of the character that begins at `bytes[at]`; `bytes` must be UTF-8. */
export function classAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  return lead < 0x80 ? ascii[lead] : wideClassAt(bytes, at, lead);
}

function wideClassAt(bytes: Uint8Array, at: number, lead: number): number {
  const code =
    lead < 0xe0
      ? ((lead & 0x1f) << 6) | (bytes[at + 1] & 0x3f)
      : lead < 0xf0
        ? ((lead & 0x0f) << 12) | ((bytes[at + 1] & 0x3f) << 6) | (bytes[at + 2] & 0x3f)
        : ((lead & 0x07) << 18) |
          ((bytes[at + 1] & 0x3f) << 12) |
          ((bytes[at + 2] & 0x3f) << 6) |
          (bytes[at + 3] & 0x3f);
  const page = code >> 10;
  const bits = pages[page] ?? (pages[page] = classify(page * pageSize, pageSize));
  return bits[code & (pageSize - 1)];
}

/** Where the character after the one at `at` begins. */
export function afterCharacter(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  return at + (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
}

/** Where the run of characters with a bit of `mask` that begins at `at` ends. */
export function afterRun(bytes: Uint8Array, at: number, end: number, mask: number): number {
  while (at < end) {
    const lead = bytes[at];
    if (lead < 0x80) {
      if ((ascii[lead] & mask) === 0) break;
      at++;
    } else {
      if ((wideClassAt(bytes, at, lead) & mask) === 0) break;
      at += lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    }
  }
  return at;
}
