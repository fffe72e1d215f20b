/**
 * Sampling without replacement: siblings are drawn one after the other from what the draft's law has left, so that no guess is wasted on a token twice.
 *
 * Chen et al., "Sequoia: Scalable, Robust, and Hardware-aware Speculative Decoding", 2024, arXiv:2402.12374; Li et al., "EAGLE: Speculative Sampling
 * Requires Rethinking Feature Uncertainty", 2024, arXiv:2401.15077.
 *
 * R_1 = q; x_j ~ R_j; R_{j+1} = R_j without x_j, renormalized; once q is used up, the uniform law over the tokens not yet drawn.
 * Test x_j against T with R_j, as in multi-round speculative sampling: accept with min(1, T(x_j) / R_j(x_j)), else T = norm(max(T - R_j, 0)).
 * With as many siblings as tokens one of them is always accepted.
 *
 * Departures: none.
 */
import { type Distribution, type Rng, sample } from "@veridraft/core-probs";
import { withoutToken } from "./child-choice.ts";
import { specInfer } from "./spec-infer.ts";
import type { Verifier } from "./verifier.ts";

/** Siblings in the order in which they were drawn, each with the law R_j it was drawn from: the verifier needs exactly these. */
export interface DrawnSiblings {
  readonly tokens: readonly number[];
  readonly laws: readonly Distribution[];
}

/**
 * Draws `count` different tokens, or all `vocabSize` of them.
 *
 * @throws DegenerateDistributionError where no probability is positive.
 */
export function sampleWithoutReplacement(
  law: Distribution,
  count: number,
  vocabSize: number,
  rng: Rng,
): DrawnSiblings {
  const tokens: number[] = [];
  const laws: Distribution[] = [];
  for (let rest = law; tokens.length < Math.min(count, vocabSize);) {
    const token = sample(rest, rng);
    tokens.push(token);
    laws.push(rest);
    rest = withoutToken(rest, token) ?? uniformExcept(tokens, vocabSize);
  }
  return { tokens, laws };
}

function uniformExcept(tokens: readonly number[], vocabSize: number): Distribution {
  const probs = new Float32Array(vocabSize).fill(1 / (vocabSize - tokens.length));
  for (const token of tokens) probs[token] = 0;
  return { ids: null, probs };
}

/** The test of {@link specInfer}, for siblings with the laws that {@link sampleWithoutReplacement} gives. */
export const withoutReplacement: Verifier = { ...specInfer, name: "without-replacement" };
