/**
 * Suffix automaton: drafts what followed the longest suffix of the text that stood before, in this text or in past ones.
 *
 * Hu et al., "SAM Decoding: Speculative Decoding via Suffix Automaton", 2024, arXiv:2411.10666.
 *
 * With each token t: (1) move the match: while its state has no edge t, follow the suffix link; then follow t; (2) add t to the automaton. In this
 * order the suffix never matches itself. Draft = the tokens after the first place of the match. O(1) amortized a token, matches of any length.
 *
 * Departures: at most twice the match length is drafted, one token after a match of one (longer drafts lose on engines where rows cost; vLLM's
 * suffix method bounds likewise, arXiv:2411.04975), instead of 40 tokens after a match of at least 5. A draft that reaches the end of the
 * text goes on in its own tokens, as LZ77 copies do, since the text repeats itself there. The second source is a bounded store of past
 * generations, in place of a static corpus; the longer match wins.
 */
import type { Drafter } from "./drafter.ts";
import type { SuffixMatch } from "./suffix-index.ts";
import { SuffixMatches } from "./suffix-matches.ts";
import type { SuffixStore } from "./suffix-store.ts";
import { chain, emptyTree } from "./tree.ts";

/**
 * The tokens after the first place of a match, at most `count`. Ends at a separator.
 *
 * @param wrap Whether to go on in the draft's own tokens at the end of the text.
 */
export function continuation(match: SuffixMatch, count: number, wrap: boolean): number[] {
  const { index } = match;
  const start = match.firstEnd;
  const available = index.size - start;
  const tokens: number[] = [];
  while (tokens.length < count) {
    const i = tokens.length;
    if (i >= available && (!wrap || available === 0)) break;
    const token = i < available ? index.token(start + i) : tokens[i - available];
    if (token < 0) break;
    tokens.push(token);
  }
  return tokens;
}

/**
 * A drafter that needs no model. Its confidence for a token that follows m matched ones is m / (m + 1).
 *
 * @param store Past generations to draft from, too; this one is added when the drafter is disposed.
 */
export function createSuffixDrafter(store?: SuffixStore): Drafter {
  const matches = new SuffixMatches(store);
  return {
    name: "suffix-automaton",
    successors: 0,
    async propose({ ids, budget }) {
      const [own, ...stored] = matches.follow(ids);
      let best = own;
      for (const match of stored) if (match.length > best.length) best = match;
      const matched = best.length;
      if (matched === 0) return emptyTree;
      const count = Math.min(budget, matched === 1 ? 1 : 2 * matched);
      const tokens = continuation(best, count, best === own);
      return chain(
        tokens,
        tokens.map((_, i) => (matched + i) / (matched + i + 1)),
      );
    },
    observe() {},
    dispose() {
      matches.dispose();
    },
  };
}
