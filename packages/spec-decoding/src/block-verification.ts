/**
 * Block verification: decides on a drafted chain as a whole, so that a later token can save an earlier one.
 *
 * Sun et al., "Block Verification Accelerates Speculative Decoding", 2024, arXiv:2403.10444.
 *
 * P_0 = 1, P_i = min(1, P_{i-1} p_i(x_i) / q_i(x_i)); S_i = sum max(P_i p_{i+1} - q_{i+1}, 0); h_i = S_i / (S_i + 1 - P_i) for i < g, h_g = P_g.
 * tau = the largest i whose own draw is below h_i. Emit x_1 .. x_tau, then y ~ p where tau = g, else y ~ norm(max(P_tau p_{tau+1} - q_{tau+1}, 0)).
 * P(tau >= i | x_1 .. x_i) = P_i, so that P(tau = i) = S_i and the next token after a kept prefix has the law p. Never fewer tokens than speculative
 * sampling keeps.
 *
 * Departures: computed as the chain case of traversal verification, which tests i = g, g - 1, .. and stops at the first success: the same tau, P, S, h.
 */
import { UnsupportedError } from "@veridraft/core-probs";
import { traversalVerification } from "./traversal-verification.ts";
import { isChain } from "./tree.ts";
import type { Verifier } from "./verifier.ts";

/** Lossless for chains. `verify` throws UnsupportedError for a tree that branches. */
export const blockVerification: Verifier = {
  name: "block-verification",
  lossless: true,
  verify(tree, target, position, key) {
    if (!isChain(tree)) {
      throw new UnsupportedError(
        `blockVerification: a tree of ${tree.tokens.length} nodes branches; use traversalVerification`,
      );
    }
    return traversalVerification.verify(tree, target, position, key);
  },
};
