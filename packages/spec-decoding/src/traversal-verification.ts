/**
 * Traversal verification: tests a drafted tree from its leaves to its root, so that a path is judged as a whole.
 *
 * Weng et al., "Traversal Verification for Speculative Tree Decoding", 2025, arXiv:2505.12398.
 *
 * Each node has a = chance to be kept (root 1), T = p(. | node); a child x was drawn from R. Go down by first children: a_x = min(1, a T(x) / R(x)).
 * At a node without children: with probability a (always at the root) emit its path, then y ~ T. Otherwise remove it from its parent, where
 * S = sum max(a T - R, 0), T = norm(max(a T - R, 0)), a = S / (S + 1 - a), and go on with the parent's next child.
 * Invariant: the mass that ends at or below a node with the next token y is a T(y). The first child takes min(R, a T), in total a - S; what is
 * reached without it, 1 - a + S, times the new a T is max(a T - R, 0).
 *
 * Departures: written from the rule, not from the authors' text; a child without a law was chosen and counts as drawn from a law with all mass on it.
 * All draws come from the streams of the first position: a rejected deep node has been looked at, so that its position's draws belong to no one else.
 */
import {
  acceptanceRatio,
  drawRemainder,
  lawOfNode,
  type Remainder,
  remainderOf,
  removeLaw,
} from "./remainder.ts";
import { childrenOf } from "./tree.ts";
import type { Verifier } from "./verifier.ts";

/** A node on the path that is being tested. */
interface Visit {
  readonly node: number;
  /** Children that were not removed yet. */
  readonly children: number[];
  keep: number;
  /** T; absent while it is p. */
  rest?: Remainder;
}

/** Lossless for every tree; keeps at least as much as top-down tests do. `verify` throws InvalidArgumentError for a token whose law excludes it. */
export const traversalVerification: Verifier = {
  name: "traversal-verification",
  lossless: true,
  verify(tree, target, position, key) {
    const accept = key.at(position, "accept");
    const visit = (node: number, keep: number): Visit => ({
      node,
      children: childrenOf(tree, node),
      keep,
    });
    const restOf = (at: Visit): Remainder => (at.rest ??= remainderOf(target(at.node)));
    const root = visit(-1, 1);
    const path: Visit[] = [];
    for (let at = root; ;) {
      while (at.children.length > 0) {
        const [child] = at.children;
        const keep = Math.min(1, at.keep * acceptanceRatio(restOf(at), tree, child));
        path.push((at = visit(child, keep)));
      }
      if (at === root || accept.bernoulli(at.keep)) {
        const next = drawRemainder(restOf(at), key.at(position, "sample"));
        return { path: path.map(({ node }) => node), next };
      }
      path.pop();
      at = path.at(-1) ?? root;
      const child = at.children.shift() as number;
      if (at.keep > 0) {
        const before = restOf(at);
        at.rest = removeLaw(before, lawOfNode(tree, child), before.mass / at.keep);
        const kept = at.rest === before ? 0 : (at.keep * at.rest.mass) / before.mass;
        const passed = kept + 1 - at.keep;
        at.keep = passed > 0 ? kept / passed : 1;
      }
    }
  },
};
