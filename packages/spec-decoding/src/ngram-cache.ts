/**
 * N-gram cache: drafts from a law that is counted from what followed the last one to three tokens, here and in past generations.
 *
 * llama.cpp, lookup decoding with an n-gram cache, 2024, github.com/ggml-org/llama.cpp (`ngram-cache`); a smoothed n-gram model as the draft also in
 * Ou, Chen, Tian, "Lossless Acceleration of Large Language Model via Adaptive N-gram Parallel Decoding", 2024, arXiv:2404.08698.
 *
 * q_n(x) = (count_n(x) + D_n q_{n-1}(x)) / (N_n + D_n) for contexts of n = 1, 2, 3 tokens with N_n followers, D_n of them different (Witten-Bell).
 * seeded: x = argmax(ln q + g) with the noise g of the target; greedy: x = argmax q; no law is given.
 * optimal: x ~ q, and q is given, so that rejection sampling accepts with 1 - TV(p, q). A chain ends where nothing is known, before a draw.
 *
 * Departures: a law in place of thresholds on counts, which llama.cpp has since it drafts without one; one bounded set of counts in place of three
 * caches (of the context, of past texts, of a corpus).
 */
import {
  argmax,
  type Distribution,
  probabilityOf,
  resolveSampling,
  sample,
  sampleGumbel,
  truncateLaw,
} from "@veridraft/core-probs";
import type { DraftModelOptions } from "./draft-model.ts";
import type { Drafter, DraftLaw } from "./drafter.ts";
import { NgramCounts } from "./ngram-counts.ts";
import { chain } from "./tree.ts";

/** Most tokens of a law that is handed to the verifier. */
const lawSize = 256;

/**
 * A drafter that needs no model. Of `sampling` only the temperature is looked at, whether it is 0; the counts are of text that was sampled already.
 *
 * @param counts Starts empty, or keeps what earlier generations taught it; this one is counted as it grows.
 * @throws InvalidArgumentError for a sampling out of range.
 */
export function createNgramCache(
  counts: NgramCounts = new NgramCounts(),
  options: DraftModelOptions = {},
): Drafter {
  const greedy = resolveSampling(options.sampling).temperature === 0;
  const drawn = options.coupling === "optimal" && !greedy;
  let counted = 0;
  return {
    name: "ngram-cache",
    successors: 0,
    async propose({ ids, budget, key }) {
      while (counted < ids.length) counts.add(ids, counted++);
      const draws = key.at(ids.length, "draft");
      const text = Array.from(ids);
      const tokens: number[] = [];
      const laws: DraftLaw[] = [];
      const confidences: number[] = [];
      while (tokens.length < budget) {
        let law = counts.lawAfter(text);
        if (!law) break;
        if (drawn) law = truncateLaw(law, lawSize);
        let token: number;
        if (greedy) token = likeliest(law);
        else if (drawn) token = sample(law, draws);
        else token = sampleGumbel(law, key.at(text.length, "sample"));
        tokens.push(token);
        laws.push(drawn ? law : null);
        confidences.push(Math.min(1, probabilityOf(law, token)));
        text.push(token);
      }
      return chain(tokens, confidences, laws);
    },
    observe() {},
    dispose() {},
  };
}

/** Ties: the lowest id. */
function likeliest({ ids, probs }: Distribution): number {
  const at = argmax(probs);
  return ids === null ? at : ids[at];
}
