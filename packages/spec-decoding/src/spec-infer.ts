/**
 * Multi-round speculative sampling: tests drawn siblings one after the other, each against what the rejections before it left of the target's law.
 *
 * Miao et al., "SpecInfer: Accelerating Generative Large Language Model Serving with Tree-based Speculative Inference and Verification", 2023,
 * arXiv:2305.09781.
 *
 * node = root; T = p(. | node); for each child x, drawn from R: accept with probability min(1, T(x) / R(x)), node = x, start again;
 * otherwise T = norm(max(T - R, 0)). No child accepted: emit y ~ T and stop.
 * Each test is a step of speculative sampling for the target T, so that the token has the law T, and by induction p. R may depend on the siblings
 * before, as it does without replacement; it must be fixed before x is drawn. Equal siblings are legal.
 *
 * Departures: a child without a law was chosen, not drawn; it is tested as if drawn from a law with all mass on it, which is exact.
 */
import { acceptanceRatio, lawOfNode, removeLaw } from "./remainder.ts";
import { topDown } from "./top-down.ts";
import type { Verifier } from "./verifier.ts";

/** Lossless for every tree whose siblings keep the order they were drawn in. `verify` throws InvalidArgumentError for a token whose law excludes it. */
export const specInfer: Verifier = {
  name: "spec-infer",
  lossless: true,
  verify: (tree, target, position, key) =>
    topDown(tree, target, position, key, () => (rest, node, accept) => {
      if (accept.bernoulli(Math.min(1, acceptanceRatio(rest, tree, node)))) return null;
      return removeLaw(rest, lawOfNode(tree, node), rest.mass);
    }),
};
