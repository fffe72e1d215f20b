/**
 * Sample and match: the target draws its own token at every visited node and descends where a child carries it.
 *
 * Folklore of drafts without a law; as a verifier of token trees for greedy decoding in Miao et al., "SpecInfer: Accelerating Generative Large
 * Language Model Serving with Tree-based Speculative Inference and Verification", 2023, arXiv:2305.09781.
 *
 * node = root; loop: y ~ p(. | node); if a child of node has the token y, node = child; else emit y and stop.
 * Every emitted token is literally drawn from p: exact for any tree, whatever chose its tokens. Greedy decoding is the case of one-hot p.
 *
 * Departures: y is drawn with Gumbel noise that depends on seed and position only, so that the text is the same with any tree and with none.
 */
import { sampleGumbel } from "@veridraft/core-probs";
import { childrenOf } from "./tree.ts";
import type { Verifier } from "./verifier.ts";

/** Lossless for every tree; laws of nodes are not looked at. Of siblings with equal tokens the first is taken. */
export const sampleAndMatch: Verifier = {
  name: "sample-and-match",
  lossless: true,
  verify(tree, target, position, key) {
    const path: number[] = [];
    for (let node = -1; ;) {
      const next = sampleGumbel(target(node), key.at(position + path.length, "sample"));
      const child = childrenOf(tree, node).find((i) => tree.tokens[i] === next);
      if (child === undefined) return { path, next };
      path.push((node = child));
    }
  },
};
