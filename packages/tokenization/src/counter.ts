/**
 * Counts the tokens of a text that grows and shrinks at its end, as one that is typed does.
 *
 * The last pieces of a text may change with what follows, so four of them are encoded again with each change (piece-reader.ts says why four); the others
 * are settled. A change costs as much as these four, however long the text is. Where a normalizer composes characters across pieces, these count as one.
 */
import { InvalidArgumentError, UnsupportedError } from "@veridraft/core-probs/errors";
import { kindOf } from "./kind.ts";
import { spansOf } from "./normal-spans.ts";
import { PieceReader } from "./piece-reader.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A count that follows a text. */
export interface TokenCounter {
  /** Tokens of the text so far. */
  readonly count: number;
  /** Its length in UTF-16 units. */
  readonly length: number;
  /** Adds text at the end and returns the count. */
  append(text: string): number;
  /** Keeps the first `length` UTF-16 units and returns the count. @throws InvalidArgumentError where there are fewer. */
  truncate(length: number): number;
}

const unsettled = 4;

/**
 * A counter of an empty text. `count` always is `tokenizer.count` of the text.
 *
 * @throws UnsupportedError for tokenizers whose split has no scanner (see `explain()`), or that have user-defined tokens.
 */
export function createCounter(tokenizer: Tokenizer): TokenCounter {
  const { scanner, prepare } = kindOf("createCounter", tokenizer);
  if (scanner === undefined || tokenizer.vocabulary.userDefinedIds.size > 0) {
    throw new UnsupportedError(
      "createCounter: a tokenizer without scanner or with user-defined tokens is not supported; count the whole text",
    );
  }
  const find = scanner;
  const reader = new PieceReader();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const pieces: string[] = [];
  /** Units and tokens before each piece, and in all. */
  const units = [0];
  const tokens = [0];

  function add(text: string): void {
    const spans = spansOf(text, prepare);
    let span = 0; // the first that does not end within the pieces so far
    let [spanStart, given] = [0, 0]; // where it begins, in what is encoded and in the text
    let end = 0; // of the pieces so far
    let [settled, count] = [0, 0]; // where the next entry begins in the text, and its tokens
    const visit = (piece: string): void => {
      end += piece.length;
      count += tokenizer.count(piece);
      for (; span < spans.length && spanStart + spans[span][1].length <= end; span++) {
        spanStart += spans[span][1].length;
        given += spans[span][0].length;
      }
      if (end > spanStart && spans[span][0] !== spans[span][1]) return; // inside of what was composed
      const own = text.slice(settled, given + end - spanStart);
      units.push(units[pieces.length] + own.length);
      tokens.push(tokens[pieces.length] + count);
      pieces.push(own);
      [settled, count] = [settled + own.length, 0];
    };
    reader.read(spans.map(([, encoded]) => encoded).join(""), find, (read) => {
      for (let i = 0, start = 0; i < read; start = reader.ends[i++]) {
        visit(decoder.decode(reader.bytes.subarray(start, reader.ends[i])));
      }
      return true;
    });
  }

  /** Takes the pieces from `first` on out and returns their text. */
  function take(first: number): string {
    const text = pieces.slice(first).join("");
    pieces.length = first;
    units.length = tokens.length = first + 1;
    return text;
  }

  const counter: TokenCounter = {
    get count() {
      return tokens[pieces.length];
    },
    get length() {
      return units[pieces.length];
    },
    append(text) {
      add(take(Math.max(0, pieces.length - unsettled)) + text);
      return counter.count;
    },
    truncate(length) {
      if (!(Number.isInteger(length) && length >= 0 && length <= counter.length)) {
        throw new InvalidArgumentError(
          `TokenCounter.truncate: length must be an integer in [0, ${counter.length}], got ${length}`,
        );
      }
      let first = pieces.length;
      while (units[first] > length) first--;
      first = Math.max(0, first - unsettled);
      const start = units[first];
      add(take(first).slice(0, length - start));
      return counter.count;
    },
  };
  return counter;
}
