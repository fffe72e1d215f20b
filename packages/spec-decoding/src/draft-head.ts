/**
 * Draft head: a small network guesses from the target's own hidden states what it says next, token after token.
 *
 * Of the kind of Zhang et al., "Recurrent Drafter for Fast Speculative Decoding in Large Language Models", 2024, arXiv:2403.09919, and Ankner et al.,
 * "Hydra", 2024, arXiv:2402.05109: each token hangs on those drafted before it, and no attention is paid. The hidden states come from three depths of the
 * target, as in Li et al., "EAGLE-3", 2025, arXiv:2503.01840.
 *
 * A head says the ids that it was trained for and no others: a draft of it is never any of the rest, which costs nothing but acceptance. Every chain begins
 * with the hidden states at hand, so that it keeps nothing from one round to the next.
 *
 * seeded (and greedy): x_t = argmax(ln q + g_t) with the noise of the target at position t; optimal: x_t ~ q_t truncated to its 256 likeliest, and exactly
 * this law is given. A second token is drafted where the first is at least as sure as `least`.
 */
import {
  type Distribution,
  type DraftHead,
  hasPenalties,
  type HeadRow,
  InvalidArgumentError,
  processLogits,
  resolveSampling,
  truncateLaw,
} from "@veridraft/core-probs";
import { draftChain } from "./draft-chain.ts";
import { type DraftModelOptions, lawSize } from "./draft-model.ts";
import type { Drafter } from "./drafter.ts";
import { emptyTree } from "./tree.ts";

/** Options of {@link createDraftHead}. */
export interface DraftHeadOptions extends DraftModelOptions {
  /**
   * In [0, 1]: a token more is drafted while the head gives all so far at least this probability. Default 0.4: on two CPU cores the third row of a forward costs
   * about a quarter of it.
   */
  readonly least?: number;
}

/**
 * A drafter with a head, which it does not dispose of. It says nothing in a round without hidden states.
 *
 * @throws InvalidArgumentError for a sampling or `least` out of range.
 */
export function createDraftHead(head: DraftHead, options: DraftHeadOptions = {}): Drafter {
  const { least = 0.4, coupling } = options;
  if (!(least >= 0 && least <= 1)) {
    throw new InvalidArgumentError(`createDraftHead: least must be in [0, 1], got ${least}`);
  }
  const sampling = resolveSampling(options.sampling);
  const drawn = coupling === "optimal" && sampling.temperature > 0;
  // Only penalties ask where an id stands.
  const places = hasPenalties(sampling)
    ? new Map(Array.from(head.ids, (id, place) => [id, place]))
    : null;
  /** The law of a row, with ids of the target. */
  const lawOf = (logits: Float32Array, text: readonly number[], temperature: number) => {
    const known = places ? text.flatMap((id) => places.get(id) ?? []) : [];
    const { ids, probs } = processLogits(logits, { ...sampling, temperature }, known);
    return { ids: ids === null ? head.ids : ids.map((place) => head.ids[place]), probs };
  };
  return {
    name: "head",
    successors: 0,
    tapWidth: head.tapWidth,
    async propose(context) {
      const { taps, budget: count } = context;
      if (!taps) return emptyTree;
      let row: HeadRow | null = null;
      return draftChain(context, { count, drawn, least }, async (text) => {
        const id = text[text.length - 1];
        row = await (row ? head.next(row, id) : head.start(taps, id));
        const { temperature } = sampling;
        const law: Distribution = lawOf(row.logits, text, temperature);
        // Greedy laws are all on one token; how sure the head is shows at temperature 1.
        const shown = temperature === 0 ? lawOf(row.logits, text, 1) : law;
        return { law: drawn ? truncateLaw(law, lawSize) : law, shown };
      });
    },
    observe() {},
    dispose() {},
  };
}
