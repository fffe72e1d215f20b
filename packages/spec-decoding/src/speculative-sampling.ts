/**
 * Speculative sampling: keeps a drafted token with probability min(1, p / q) and otherwise draws from what p has more than q.
 *
 * Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding", 2022, arXiv:2211.17192.
 * Chen et al., "Accelerating Large Language Model Decoding with Speculative Sampling", 2023, arXiv:2302.01318.
 *
 * For x_1 .. x_g drawn from q_1 .. q_g: accept x_i with probability min(1, p_i(x_i) / q_i(x_i)); at the first rejection emit
 * y ~ norm(max(p_i - q_i, 0)) and stop; after g acceptances emit y ~ p_{g+1}.
 * P(emit x) = min(p, q)(x) + Z max(p - q, 0)(x) / Z = p(x), where Z = 1 - sum min(p, q) is the probability of a rejection.
 *
 * Departures: children without a law were chosen and not drawn; at their node y ~ p is drawn and a child that carries y is accepted, which is
 * exact for any choice. Where the residual has no mass within rounding, y ~ p.
 */
import { sample, UnsupportedError } from "@veridraft/core-probs";
import { acceptanceRatio, drawRemainder, remainderOf, removeLaw } from "./remainder.ts";
import { childrenOf } from "./tree.ts";
import type { Verifier } from "./verifier.ts";

/**
 * Lossless for chains of drawn tokens and for trees of chosen ones.
 *
 * `verify` throws UnsupportedError for several drawn siblings (they need another test) and InvalidArgumentError for a token whose law gives it no
 * probability.
 */
export const speculativeSampling: Verifier = {
  name: "speculative-sampling",
  lossless: true,
  verify(tree, target, position, key) {
    const path: number[] = [];
    for (let node = -1; ;) {
      const at = position + path.length;
      const p = target(node);
      const children = childrenOf(tree, node);
      const law = children.length > 0 ? tree.laws[children[0]] : null;
      if (children.length > 1 && children.some((i) => tree.laws[i] !== null)) {
        throw new UnsupportedError(
          `speculativeSampling: node ${node} has ${children.length} drawn children, at most 1 can be tested; use specInfer or traversalVerification`,
        );
      }
      if (law === null) {
        const next = sample(p, key.at(at, "sample"));
        const child = children.find((i) => tree.tokens[i] === next);
        if (child === undefined) return { path, next };
        path.push((node = child));
        continue;
      }
      const child = children[0];
      const rest = remainderOf(p);
      const ratio = acceptanceRatio(rest, tree, child);
      if (!key.at(at, "accept").bernoulli(Math.min(1, ratio))) {
        return { path, next: drawRemainder(removeLaw(rest, law, 1), key.at(at, "sample")) };
      }
      path.push((node = child));
    }
  },
};
