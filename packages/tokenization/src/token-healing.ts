/**
 * Token healing: takes back the last tokens of a prompt and lets generation choose among all tokens that spell the same bytes and may go on.
 *
 * Scott Lundberg, "The Art of Prompt Design: Prompt Boundaries and Token Healing", 2023. A prompt that ends in "http:" never sees the token "://"
 * that its training data had there; healed, it ends in "http" with the bytes ":" left to spell.
 */
import type { Tokenizer } from "./tokenizer.ts";

/** A prompt without its last tokens, and the bytes that these spelled. */
export interface HealedPrompt {
  readonly ids: Int32Array;
  /** What the next tokens must spell; empty where nothing was taken back. */
  readonly remainder: Uint8Array;
}

/** What may come next while a remainder is spelled. */
export interface Healer {
  /**
   * Takes back up to `tokens` tokens, the last first, each only while some longer token could spell what is taken back by then. Control tokens stay.
   */
  heal(ids: ArrayLike<number>, tokens?: number): HealedPrompt;
  /** Ids that spell the remainder and perhaps more, or its beginning, ascending; all but control tokens where it is empty. */
  allowed(remainder: Uint8Array): Int32Array;
  /** What is left to spell after a token that `allowed` gave. */
  advance(remainder: Uint8Array, id: number): Uint8Array;
}

/** A healer for a tokenizer; it sorts the vocabulary once. */
export function createHealer(tokenizer: Tokenizer): Healer {
  const bytesOf = (id: number): Uint8Array => tokenizer.tokenBytes(id);
  const sorted: number[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (!tokenizer.isSpecial(id) && bytesOf(id).length > 0) sorted.push(id);
  }
  sorted.sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));

  /** Index of the first token that does not come before `prefix`, of those that are cut to its length. */
  function lowerBound(prefix: Uint8Array, wanted: 0 | 1): number {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = Buffer.compare(bytesOf(sorted[middle]).subarray(0, prefix.length), prefix);
      if (order < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Tokens that begin with `prefix`. */
  function range(prefix: Uint8Array): [from: number, to: number] {
    return [lowerBound(prefix, 0), lowerBound(prefix, 1)];
  }

  function hasLonger(prefix: Uint8Array): boolean {
    const [from, to] = range(prefix);
    // The shortest come first, so the last is longer if any is.
    return to > from && bytesOf(sorted[to - 1]).length > prefix.length;
  }

  return {
    heal(ids, tokens = 1) {
      let end = ids.length;
      let remainder: Uint8Array = new Uint8Array();
      while (end > 0 && ids.length - end < tokens && !tokenizer.isSpecial(ids[end - 1])) {
        const taken = Buffer.concat([bytesOf(ids[end - 1]), remainder]);
        if (!hasLonger(taken)) break;
        remainder = new Uint8Array(taken);
        end--;
      }
      return { ids: Int32Array.from(ids).slice(0, end), remainder };
    },
    allowed(remainder) {
      const [from, to] = range(remainder);
      const found = sorted.slice(from, to);
      for (let length = 1; length < remainder.length; length++) {
        const prefix = remainder.subarray(0, length);
        for (let i = lowerBound(prefix, 0); i < sorted.length; i++) {
          if (Buffer.compare(bytesOf(sorted[i]), prefix) !== 0) break;
          found.push(sorted[i]);
        }
      }
      return Int32Array.from(found).toSorted();
    },
    advance: (remainder, id) => remainder.slice(Math.min(remainder.length, bytesOf(id).length)),
  };
}
