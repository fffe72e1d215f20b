/**
 * Suffix decoding: drafts what most often followed a suffix of the text, in this text or in past ones, as far as it is likely.
 *
 * Oliaro, Jia, Campos, Qiao, "SuffixDecoding: Extreme Speculative Decoding for Emerging AI Applications", 2024, arXiv:2411.04975; vLLM's method
 * `suffix`.
 *
 * For every suffix of m tokens that stood before: walk from it to the token of the largest count c, its probability being c over the sum of the
 * counts; stop after factor * m tokens, at the budget, or where the product of the probabilities falls below a minimum. The score of a walk is the
 * sum of its products, the expected number of accepted tokens; the draft is the walk of the best score (ties: of the longest suffix).
 *
 * Departures: suffix automata with counts in place of suffix trees of depth 24, so that matches have any length, of which the 24 longest that differ
 * in what follows are walked from; past texts are forgotten first in, first out, but half a store at a time; a chain, not a tree. The memory is that
 * of the store and 8 bytes for the counts, about 160 bytes a token.
 */
import { z } from "zod";
import { parseConfig } from "./config.ts";
import type { Drafter } from "./drafter.ts";
import type { SuffixIndex } from "./suffix-index.ts";
import { SuffixMatches } from "./suffix-matches.ts";
import type { SuffixStore } from "./suffix-store.ts";
import { chain, emptyTree } from "./tree.ts";

/** Suffixes that are walked from, longest first: in a long loop all of them stood before. */
const mostWalks = 24;

/** Options of {@link createSuffixDecoding}; the names are vLLM's without their prefix. */
export const suffixDecodingConfig = z.strictObject({
  maxSpecFactor: z
    .number()
    .gt(0)
    .default(1)
    .describe("Most tokens of a draft for each token that the suffix matches."),
  minTokenProb: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("Least estimated probability that a draft is accepted up to its last token."),
});
export type SuffixDecodingConfig = z.output<typeof suffixDecodingConfig>;

/** Tokens that are likely to follow, and what each was estimated at given the one before it. */
export interface Walk {
  readonly tokens: readonly number[];
  readonly probs: readonly number[];
  /** Expected number of accepted tokens. */
  readonly score: number;
}

/**
 * The most frequent continuation of a state's substrings, at most `count` tokens; ties: the lowest id. Ends at a separator, which counts as what
 * followed, and before the product of the probabilities falls below `minProb`.
 */
export function likeliestWalk(
  index: SuffixIndex,
  from: number,
  count: number,
  minProb: number,
): Walk {
  const counts = index.counts();
  const tokens: number[] = [];
  const probs: number[] = [];
  let product = 1;
  let score = 0;
  for (let state = from; tokens.length < count;) {
    let total = 0;
    let best = { token: -1, target: -1 };
    for (const edge of index.edges(state)) {
      const times = counts[edge.target];
      const most = best.target < 0 ? 0 : counts[best.target];
      total += times;
      if (times > most || (times === most && edge.token < best.token)) best = edge;
    }
    if (best.token < 0) break;
    const prob = counts[best.target] / total;
    product *= prob;
    if (product < minProb) break;
    score += product;
    tokens.push(best.token);
    probs.push(prob);
    state = best.target;
  }
  return { tokens, probs, score };
}

/**
 * A drafter that needs no model: good where a server does the same kind of task again and again. Its confidence for a token of probability r that
 * follows m matched ones is r * m / (m + 1). A proposal passes over the states of the text once, about two for each token.
 *
 * @param store Past generations to draft from, too, shared with other suffix drafters; this one is added when the drafter is disposed.
 * @throws InvalidArgumentError for options out of range.
 */
export function createSuffixDecoding(
  store?: SuffixStore,
  config: z.input<typeof suffixDecodingConfig> = {},
): Drafter {
  const { maxSpecFactor, minTokenProb } = parseConfig(
    "createSuffixDecoding",
    suffixDecodingConfig,
    config,
  );
  const matches = new SuffixMatches(store);
  return {
    name: "suffix-decoding",
    successors: 0,
    async propose({ ids, budget }) {
      let best: Walk = { tokens: [], probs: [], score: 0 };
      let matched = 0;
      for (const { index, state: longest, length: most } of matches.follow(ids)) {
        let length = most;
        let walks = 0;
        for (let state = longest; state > 0 && walks < mostWalks; state = index.link(state)) {
          walks++;
          const count = Math.min(budget, Math.ceil(maxSpecFactor * length));
          // A shorter suffix may draft less, so that none after this one can do better.
          if (count < best.score) break;
          const walk = likeliestWalk(index, state, count, minTokenProb);
          if (walk.score > best.score || (walk.score === best.score && length > matched)) {
            best = walk;
            matched = length;
          }
          length = index.length(index.link(state));
        }
      }
      if (best.tokens.length === 0) return emptyTree;
      const confidences = best.probs.map((prob, i) => (prob * (matched + i)) / (matched + i + 1));
      return chain(best.tokens, confidences);
    },
    observe() {},
    dispose() {
      matches.dispose();
    },
  };
}
