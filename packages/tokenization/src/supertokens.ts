/**
 * Supertokens: vocabularies whose tokens may span words, trained with a split that cuts at random.
 *
 * Michael Bommarito, Daniel Martin Katz and Jillian Bommarito, "KL3M Tokenizers", 2025, arXiv:2503.17247, in their multi-word variants: the split is for
 * training only; the tokenizer takes a text as one piece, so its `preTokenizer` is ByteLevel with `use_regex` false.
 */
import type { Rng } from "@veridraft/core-probs";
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import type { SplitText } from "./count-pieces.ts";

/**
 * A split before each run of white space with probability `p`: p = 1 gives words with the space before them, p = 0 whole texts.
 *
 * @throws InvalidArgumentError where `p` is not in [0, 1].
 */
export function randomWhitespaceSplit(p: number, rng: Rng): SplitText {
  if (!(p >= 0 && p <= 1)) {
    throw new InvalidArgumentError(`randomWhitespaceSplit: p must be in [0, 1], got ${p}`);
  }
  return (text, emit) => {
    let start = 0;
    for (const { index } of text.matchAll(/\s+/gu)) {
      if (index === start || !rng.bernoulli(p)) continue;
      emit(text.slice(start, index));
      start = index;
    }
    if (start < text.length) emit(text.slice(start));
  };
}
