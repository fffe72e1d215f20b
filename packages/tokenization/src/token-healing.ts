/**
 * Token healing: takes back the last tokens of a prompt and lets generation choose among all tokens that spell the same bytes and may go on.
 *
 * Scott Lundberg, "The Art of Prompt Design: Prompt Boundaries and Token Healing", 2023. A prompt that ends in "http:" never sees the token "://"
 * that its training data had there; healed, it ends in "http" with the bytes ":" left to spell.
 */
import { createByteTrie } from "./byte-trie.ts";
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
  const trie = createByteTrie(tokenizer);
  const bytesOf = (id: number): Uint8Array => tokenizer.tokenBytes(id);

  function hasLonger(prefix: Uint8Array): boolean {
    const node = trie.find(prefix);
    return node !== undefined && trie.endOfWhole(node) < node.end;
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
      const found = trie.find(remainder);
      const ids = found ? [...trie.ids.subarray(found.start, found.end)] : [];
      for (let length = 1; length < remainder.length; length++) {
        const node = trie.find(remainder.subarray(0, length));
        if (node) ids.push(...trie.ids.subarray(node.start, trie.endOfWhole(node)));
      }
      return Int32Array.from(ids).toSorted();
    },
    advance: (remainder, id) => remainder.slice(Math.min(remainder.length, bytesOf(id).length)),
  };
}
