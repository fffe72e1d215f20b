/**
 * Reference text: drafts from a text that the answer is expected to repeat in large part, such as the file that is to be edited.
 *
 * Yang et al., "Inference with Reference: Lossless Acceleration of Large Language Models", 2023, arXiv:2304.04487; the `prediction` of OpenAI's API.
 *
 * A pointer stands at the place of the reference that should come next, at first its beginning. For each new token: the one at the pointer moves it on;
 * another one is a divergence: the pointer goes behind the place of the reference whose last tokens agree with most of the text's (ties: the next one
 * after the pointer, else the last one before it). Draft = the tokens at the pointer, none while there is no such place or at the end.
 *
 * Departures: the place is found by the longest common suffix of up to 16 tokens, not by a trigger of fixed length, so that insertions, omissions and
 * replacements of any length are found again at their first common token.
 */
import type { Drafter } from "./drafter.ts";
import { chain, emptyTree } from "./tree.ts";

/** Tokens that are compared to find the place again. */
const longestSuffix = 16;

/** A place of a reference: the tokens before `place` agree with the last `matched` ones of the text. Null where none does. */
export interface Alignment {
  readonly place: number;
  readonly matched: number;
}

/**
 * The place of `reference` behind the longest common suffix with `text`, at most 16 tokens, the next one after `near`, else the last one before
 * it; null where no token of the reference is the last one of the text.
 *
 * @example alignReference([1, 2, 3, 1, 2, 4], [9, 1, 2], 3) // { place: 5, matched: 2 }
 */
export function alignReference(
  reference: ArrayLike<number>,
  text: ArrayLike<number>,
  near: number,
): Alignment | null {
  let best: Alignment | null = null;
  const most = Math.min(longestSuffix, text.length);
  for (let place = 1; place <= reference.length; place++) {
    let matched = 0;
    while (
      matched < Math.min(most, place) &&
      reference[place - 1 - matched] === text[text.length - 1 - matched]
    ) {
      matched++;
    }
    if (matched === 0 || (best && matched < best.matched)) continue;
    // Places ascend: of those up to the pointer the last one stays, until the first one after it comes.
    if (!best || matched > best.matched || best.place <= near) best = { place, matched };
  }
  return best;
}

/**
 * A drafter that needs no model. Its confidence for a token after m that agreed in a row is (m + 1) / (m + 2).
 *
 * @param reference Ids in the vocabulary of the target; none draft nothing. It may stand in the prompt, too.
 */
export function createReferenceText(reference: ArrayLike<number>): Drafter {
  const expected = Int32Array.from(reference);
  let at: Alignment | null = { place: 0, matched: 0 };
  let lastPlace = 0;
  let seen = 0;
  return {
    name: "reference-text",
    successors: 0,
    async propose({ ids, budget }) {
      // The first time all but the last token are the prompt: the answer begins with that one.
      for (seen ||= ids.length - 1; seen < ids.length; seen++) {
        if (at && at.place < expected.length && expected[at.place] === ids[seen]) {
          at = { place: at.place + 1, matched: at.matched + 1 };
        } else {
          at = alignReference(expected, Array.from(ids).slice(0, seen + 1), lastPlace);
        }
        if (at) lastPlace = at.place;
      }
      if (!at) return emptyTree;
      const { place, matched } = at;
      const tokens = expected.subarray(place, place + budget);
      return chain(
        tokens,
        Array.from(tokens, (_, i) => (matched + i + 1) / (matched + i + 2)),
      );
    },
    observe() {},
    dispose() {},
  };
}
