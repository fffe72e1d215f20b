import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import { forcedLength, RankedLexicon, segmentsBetter, type Symbols } from "./lib-lexicon.ts";

/** Segments text with a trained lexicon. Ids: 0 .. 255 are bytes, for symbols that no unit has, then the units by rank. */
export interface LibTokenizer {
  readonly units: readonly string[];
  /** Lone surrogates count as U+FFFD. */
  encode(text: string): Int32Array;
  /** @throws InvalidArgumentError for an id outside the vocabulary. */
  decode(ids: ArrayLike<number>): string;
}

/**
 * A tokenizer of units, best first. At each place the longest unit, or the second longest where reading on from it comes to the same place with fewer units
 * or better ranks.
 *
 * @example createLibTokenizer(["a", "b", "c", "bc", "ab"]) // "abc" is a, bc: two units as ab, c are, of smaller ranks
 */
export function createLibTokenizer(units: Iterable<string>): LibTokenizer {
  const lexicon = new RankedLexicon(units);
  const frozen = [...lexicon.units];
  const encoder = new TextEncoder();
  const bytesOf = frozen.map((unit) => encoder.encode(unit));
  return {
    units: frozen,
    encode(text) {
      const ids: number[] = [];
      const symbols = [...text.replace(/\p{Surrogate}/gu, "\uFFFD")];
      for (const piece of segment(lexicon, symbols)) {
        const rank = lexicon.rank(piece);
        if (rank === undefined) ids.push(...encoder.encode(piece));
        else ids.push(256 + rank);
      }
      return Int32Array.from(ids);
    },
    decode(ids) {
      const bytes = Array.from(ids, (id) => {
        if (!(Number.isInteger(id) && id >= 0 && id < 256 + frozen.length)) {
          throw new InvalidArgumentError(
            `decode: ids must be in [0, ${256 + frozen.length}), got ${id}`,
          );
        }
        return id < 256 ? Uint8Array.of(id) : bytesOf[id - 256];
      });
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(bytes));
    },
  };
}

/** Units of a text, and symbols where none matches. */
export function segment(lexicon: RankedLexicon, text: Symbols): string[] {
  const result: string[] = [];
  for (let at = 0; at < text.length;) {
    const { longest, second } = lexicon.match(text, at);
    if (second === 0) {
      result.push(text.slice(at, at + (longest || 1)).join(""));
      at += longest || 1;
      continue;
    }
    const usual = [longest];
    const other = [second];
    const ends = { usual: at + longest, other: at + second };
    while (ends.usual !== ends.other) {
      const path = ends.usual < ends.other ? "usual" : "other";
      const length = forcedLength(lexicon, text, ends[path]);
      (path === "usual" ? usual : other).push(length);
      ends[path] += length;
    }
    const [one, two] = [usual, other].map((lengths) => cutUnits(text, at, lengths));
    result.push(...(segmentsBetter(lexicon, two, one) ? two : one));
    at = ends.usual;
  }
  return result;
}

function cutUnits(text: Symbols, start: number, lengths: readonly number[]): string[] {
  let at = start;
  return lengths.map((length) => text.slice(at, (at += length)).join(""));
}
