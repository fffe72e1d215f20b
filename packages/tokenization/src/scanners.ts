/**
 * Scanners: the known split patterns by hand, on UTF-8, several times as fast as the regular expressions that they equal.
 *
 * Each follows its pattern alternative by alternative; where a regular expression would step back, the place it steps back to is known.
 */
import {
  afterCharacter,
  afterRun,
  classAt,
  letter,
  lower,
  newline,
  notCapital,
  notSmall,
  number,
  other,
  space,
  upper,
} from "./char-classes.ts";
import {
  digitsThenGpt2Pattern,
  gpt2Pattern,
  gpt4oPattern,
  llama3Pattern,
  o200kPattern,
  qwen2Pattern,
  tekkenPattern,
} from "./split-patterns.ts";

/**
 * Writes where the pieces of `bytes[start, end)`, which is UTF-8, end, as many as `ends` holds; returns how many. A further call goes on from the last
 * end.
 */
export type Scanner = (bytes: Uint8Array, start: number, end: number, ends: Int32Array) => number;

const apostrophe = 0x27;
const blank = 0x20;
const slash = 0x2f;
const lineFeed = 0x0a;
const prefixMask = space | other;

/** The scanner of a pattern; undefined where there is none. */
export function findScanner(pattern: string): Scanner | undefined {
  return scanners.get(pattern);
}

/** Length of 's, 't, 're, 've, 'm, 'll or 'd at `at`, 0 if there is none; capitals count where `fold` is 0x20. */
function contraction(bytes: Uint8Array, at: number, end: number, fold: number): number {
  if (at + 1 >= end) return 0;
  const first = bytes[at + 1] | fold;
  // s, t, m, d
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return 2;
  if (at + 2 >= end) return 0;
  const second = bytes[at + 2] | fold;
  // re, ve, ll
  if (first === 0x72 || first === 0x76) return second === 0x65 ? 3 : 0;
  return first === 0x6c && second === 0x6c ? 3 : 0;
}

/** \s+(?!\S)|\s+ : a run of white space leaves its last character to what follows, if it has others. */
function afterSpaces(bytes: Uint8Array, at: number, runEnd: number, end: number): number {
  if (runEnd === end) return runEnd;
  let last = runEnd - 1;
  while ((bytes[last] & 0xc0) === 0x80) last--;
  return last > at ? last : runEnd;
}

/** \s*[\r\n]+|\s+(?!\S)|\s+ */
function afterLines(bytes: Uint8Array, at: number, end: number): number {
  const runEnd = afterRun(bytes, at, end, space);
  for (let last = runEnd - 1; last >= at; last--) {
    if (bytes[last] === lineFeed || bytes[last] === 0x0d) return last + 1;
  }
  return afterSpaces(bytes, at, runEnd, end);
}

/** Up to `most` numbers, the first of which is at `at`. */
function afterNumbers(bytes: Uint8Array, at: number, end: number, most: number): number {
  let after = afterCharacter(bytes, at);
  for (let i = 1; i < most && after < end && (classAt(bytes, after) & number) !== 0; i++) {
    after = afterCharacter(bytes, after);
  }
  return after;
}

/** GPT-2's pattern; with `singly`, numbers are cut out one by one first. */
function gpt2Scanner(singly: boolean): Scanner {
  return (bytes, start, end, ends) => {
    let at = start;
    let count = 0;
    while (at < end && count < ends.length) {
      const lead = bytes[at];
      if (lead === apostrophe) {
        const length = contraction(bytes, at, end, 0);
        if (length > 0) {
          at += length;
          ends[count++] = at;
          continue;
        }
      }
      const from = lead === blank && at + 1 < end ? at + 1 : at;
      const bits = classAt(bytes, from);
      if ((bits & letter) !== 0) at = afterRun(bytes, from, end, letter);
      else if ((bits & other) !== 0) at = afterRun(bytes, from, end, other);
      else if ((bits & number) !== 0) {
        if (!singly) at = afterRun(bytes, from, end, number);
        else at = from > at ? from : afterCharacter(bytes, at);
      } else {
        const runEnd = afterRun(bytes, at, end, space);
        const whole = singly && runEnd < end && (classAt(bytes, runEnd) & number) !== 0;
        at = whole ? runEnd : afterSpaces(bytes, at, runEnd, end);
      }
      ends[count++] = at;
    }
    return count;
  };
}

/** cl100k's pattern, with numbers in groups of `digits`. */
function cl100kScanner(digits: number): Scanner {
  return (bytes, start, end, ends) => {
    let at = start;
    let count = 0;
    while (at < end && count < ends.length) {
      const lead = bytes[at];
      let length = 0;
      if (lead === apostrophe) length = contraction(bytes, at, end, 0x20);
      at = length > 0 ? at + length : afterCl100k(bytes, at, end, classAt(bytes, at), digits);
      ends[count++] = at;
    }
    return count;
  };
}

function afterCl100k(
  bytes: Uint8Array,
  at: number,
  end: number,
  bits: number,
  digits: number,
): number {
  if ((bits & letter) !== 0) return afterRun(bytes, at, end, letter);
  if ((bits & number) !== 0) return afterNumbers(bytes, at, end, digits);
  if ((bits & newline) === 0) {
    const from = afterCharacter(bytes, at);
    if (from < end && (classAt(bytes, from) & letter) !== 0) {
      return afterRun(bytes, from, end, letter);
    }
  }
  return afterSymbols(bytes, at, end, bits, lineFeed);
}

/** [^\s\p{L}\p{N}]+[\r\n]*, with a blank before it, or white space; `tail` is a byte that may stand among the newlines. */
function afterSymbols(
  bytes: Uint8Array,
  at: number,
  end: number,
  bits: number,
  tail: number,
): number {
  const from = bytes[at] === blank && at + 1 < end ? at + 1 : at;
  if ((bits & other) === 0 && (from === at || (classAt(bytes, from) & other) === 0)) {
    return afterLines(bytes, at, end);
  }
  let after = afterRun(bytes, from, end, other);
  while (after < end && isTail(bytes[after], tail)) {
    after++;
  }
  return after;
}

function isTail(byte: number, tail: number): boolean {
  return byte === lineFeed || byte === 0x0d || byte === tail;
}

interface CasedRules {
  /** Bits of what a word begins with, and of what it goes on with. */
  readonly head: number;
  readonly body: number;
  /** Whether a contraction belongs to its word. */
  readonly contractions: boolean;
  readonly digits: number;
}

/** o200k's pattern: words end where a capital follows a small letter. */
function casedScanner({ head, body, contractions, digits }: CasedRules): Scanner {
  return (bytes, start, end, ends) => {
    let at = start;
    let count = 0;
    while (at < end && count < ends.length) {
      const bits = classAt(bytes, at);
      const word = afterWord(bytes, at, end, bits, head, body);
      if (word > at) {
        at = word;
        if (contractions && at < end && bytes[at] === apostrophe) {
          at += contraction(bytes, at, end, 0x20);
        }
      } else if ((bits & number) !== 0) at = afterNumbers(bytes, at, end, digits);
      else at = afterSymbols(bytes, at, end, bits, slash);
      ends[count++] = at;
    }
    return count;
  };
}

/** [^\r\n\p{L}\p{N}]?(head*body+|head+body*); `at` where there is none. */
function afterWord(
  bytes: Uint8Array,
  at: number,
  end: number,
  bits: number,
  head: number,
  body: number,
): number {
  const prefixed = (bits & prefixMask) !== 0 && (bits & newline) === 0;
  const from = prefixed ? afterCharacter(bytes, at) : at;
  let headEnd = from;
  let both = -1; // after the last character of the head that can be the body, too
  while (headEnd < end) {
    const here = classAt(bytes, headEnd);
    if ((here & head) === 0) break;
    headEnd = afterCharacter(bytes, headEnd);
    if ((here & body) !== 0) both = headEnd;
  }
  const bodyEnd = afterRun(bytes, headEnd, end, body);
  if (bodyEnd > headEnd) return bodyEnd;
  if (both >= 0) return both;
  // A mark may be the prefix or the word.
  if (prefixed && (bits & body) !== 0) return from;
  return headEnd > from ? headEnd : at;
}

const scanners: ReadonlyMap<string, Scanner> = new Map([
  [gpt2Pattern, gpt2Scanner(false)],
  [digitsThenGpt2Pattern, gpt2Scanner(true)],
  [llama3Pattern, cl100kScanner(3)],
  [qwen2Pattern, cl100kScanner(1)],
  [o200kPattern, casedScanner({ head: upper, body: lower, contractions: true, digits: 3 })],
  [gpt4oPattern, casedScanner({ head: notSmall, body: notCapital, contractions: true, digits: 3 })],
  [
    tekkenPattern,
    casedScanner({ head: notSmall, body: notCapital, contractions: false, digits: 1 }),
  ],
]);
