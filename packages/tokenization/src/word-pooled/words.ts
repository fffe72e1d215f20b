/** Words of a text, and their units as arrays: what the word-pooled network reads and what it is asked for. */
import { InvalidArgumentError } from "@veridraft/core-probs";

/** How a text falls into words: at white space, or by the Unicode rules, which part punctuation and know languages that put no spaces. */
export type WordMode = "space" | "unicode";

/** One white space belongs to the word behind it; any other is a word of its own. */
const spaced = /\s?\S+|\s/gu;
const segmenter = new Intl.Segmenter("en", { granularity: "word" });
const utf8 = new TextEncoder();

/**
 * The words of a text: together they are the text. A word of more than `maxUnits` bytes of UTF-8 is cut between characters.
 *
 * @throws InvalidArgumentError for fewer than 4 bytes, which some characters take.
 * @example segmentWords("to be, or", 16, "unicode"); // ["to", " be", ",", " or"]
 */
export function segmentWords(text: string, maxUnits: number, mode: WordMode): string[] {
  if (!(Number.isInteger(maxUnits) && maxUnits >= 4)) {
    throw new InvalidArgumentError(
      `segmentWords: maxUnits must be an integer of at least 4, the bytes of a character, got ${maxUnits}`,
    );
  }
  const words = text.match(spaced) ?? [];
  const parts = mode === "space" ? words : words.flatMap(unicodeWords);
  return parts.flatMap((word) => cut(word, maxUnits));
}

/** Between white space: a segmenter takes quadratic time on long texts. */
function unicodeWords(word: string): string[] {
  const body = word.trimStart();
  if (body === "") return [word];
  const parts = Array.from(segmenter.segment(body), ({ segment }) => segment);
  parts[0] = word.slice(0, word.length - body.length) + parts[0];
  return parts;
}

function cut(word: string, maxUnits: number): string[] {
  if (3 * word.length <= maxUnits) return [word];
  const parts: string[] = [];
  let part = "";
  let bytes = 0;
  for (const character of word) {
    const size = utf8.encode(character).length;
    if (bytes + size > maxUnits) {
      parts.push(part);
      part = "";
      bytes = 0;
    }
    part += character;
    bytes += size;
  }
  return [...parts, part];
}

/** The units of a word as bytes: 1 to 256, since 0 ends a word. */
export function byteUnits(word: string): Int32Array {
  return Int32Array.from(utf8.encode(word), (byte) => byte + 1);
}

/** The word of byte units; bytes that are not UTF-8 become U+FFFD. */
export function wordOfBytes(units: ArrayLike<number>): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
    Uint8Array.from(units, (unit) => unit - 1),
  );
}

/** Words of equal width. */
export interface PackedWords {
  readonly count: number;
  readonly maxUnits: number;
  /** [count, maxUnits], padded with 0. */
  readonly ids: Int32Array;
  /** Units of each word. */
  readonly lengths: Int32Array;
}

/**
 * Puts words side by side.
 *
 * @param words Units, from 1 on: 0 is the end of a word. @throws InvalidArgumentError for a word of more than `maxUnits` units, or with a unit below 1.
 */
export function packWords(words: readonly ArrayLike<number>[], maxUnits: number): PackedWords {
  const ids = new Int32Array(words.length * maxUnits);
  const lengths = new Int32Array(words.length);
  words.forEach((word, i) => {
    if (word.length > maxUnits) {
      throw new InvalidArgumentError(
        `packWords: word ${i} has ${word.length} units, at most ${maxUnits} fit; cut it before`,
      );
    }
    for (let k = 0; k < word.length; k++) {
      if (!(word[k] >= 1)) {
        throw new InvalidArgumentError(
          `packWords: units start at 1, as 0 ends a word, got ${word[k]} in word ${i}`,
        );
      }
      ids[i * maxUnits + k] = word[k];
    }
    lengths[i] = word.length;
  });
  return { count: words.length, maxUnits, ids, lengths };
}

/** What counts in the loss: a word's units and the first padding behind them, which ends it, or all padding, as in the authors' code. */
export type PaddingLoss = "end" | "all";

/** What the states of the words before are to predict. */
export interface CanvasTargets {
  /** The words but the first, [count - 1, maxUnits]. */
  readonly targets: Int32Array;
  /** The weight of each target in the loss. */
  readonly mask: Float32Array;
}

/** The targets of a window of words: word i + 1 for state i. */
export function canvasTargets(
  { count, maxUnits, ids, lengths }: PackedWords,
  padding: PaddingLoss = "end",
): CanvasTargets {
  const targets = ids.slice(maxUnits);
  const mask = new Float32Array(targets.length);
  for (let i = 1; i < count; i++) {
    const counted = padding === "all" ? maxUnits : Math.min(lengths[i] + 1, maxUnits);
    mask.fill(1, (i - 1) * maxUnits, (i - 1) * maxUnits + counted);
  }
  return { targets, mask };
}

/** The words [start, end). */
export function sliceWords(words: PackedWords, start: number, end: number): PackedWords {
  const { maxUnits } = words;
  return {
    count: end - start,
    maxUnits,
    ids: words.ids.slice(start * maxUnits, end * maxUnits),
    lengths: words.lengths.slice(start, end),
  };
}
