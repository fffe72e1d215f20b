/**
 * Draft model: a smaller model with the same vocabulary proposes a chain.
 *
 * Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding", 2022, arXiv:2211.17192 (the approximation model M_q);
 * the seeded coupling is Gumbel-max sampling with common noise, as in Daliri, Musco, Suresh, "Coupling without Communication and Drafter-Invariant
 * Speculative Decoding", 2024, arXiv:2408.07978.
 *
 * seeded (and greedy): x_t = argmax(ln q + g_t) with the noise g_t that the target uses at position t; no law is given.
 * optimal: x_t ~ q_t truncated to its 256 likeliest tokens and renormalized; exactly this law is given with the token.
 *
 * Departures: the truncation, so that a law is small on the wire; exact, since the law given is the law drawn from.
 */
import {
  type Distribution,
  type LanguageModel,
  processLogits,
  resolveSampling,
  type Sampling,
  truncateLaw,
} from "@veridraft/core-probs";
import { draftChain } from "./draft-chain.ts";
import type { Drafter } from "./drafter.ts";
import { FollowingCache } from "./following-cache.ts";
import type { Coupling } from "./verifier.ts";

/** Most tokens of a law that is handed to the verifier. */
export const lawSize = 256;

export interface DraftModelOptions {
  /** Usually that of the target: acceptance is highest when both laws are warped alike. Default greedy. */
  readonly sampling?: Partial<Sampling>;
  /** Must be that of the generation. Default "seeded". */
  readonly coupling?: Coupling;
}

/**
 * Opens a sequence of the draft model. Its cache keeps in step with the committed ids: what was drafted and accepted is not run again.
 *
 * @throws InvalidArgumentError for a sampling out of range.
 */
export async function createDraftModel(
  model: LanguageModel,
  options: DraftModelOptions = {},
): Promise<Drafter> {
  const sampling = resolveSampling(options.sampling);
  const drawn = options.coupling === "optimal" && sampling.temperature > 0;
  const cache = new FollowingCache(await model.open());
  return {
    name: "draft-model",
    successors: 0,
    async propose(context) {
      // The last drafted token is never run: the draft's context need not hold it.
      const count = Math.min(context.budget, model.contextLength - context.ids.length + 1);
      const { confidenceThreshold = 0, signal } = context;
      // Greedy laws are all on one token; how sure the draft is shows at temperature 1.
      const plain = confidenceThreshold > 0 && sampling.temperature === 0;
      return draftChain(context, { count, drawn }, async (text) => {
        const logits = await cache.logitsAfter(text, signal);
        let law: Distribution = processLogits(logits, sampling, text);
        if (drawn) law = truncateLaw(law, lawSize);
        const shown = plain ? processLogits(logits, { ...sampling, temperature: 1 }, text) : law;
        return { law, shown };
      });
    },
    observe() {},
    dispose() {
      cache.dispose();
    },
  };
}
