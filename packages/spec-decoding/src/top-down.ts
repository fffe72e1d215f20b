import type { Rng, RngKey } from "@veridraft/core-probs";
import { drawRemainder, type Remainder, remainderOf } from "./remainder.ts";
import { childrenOf, type DraftTree } from "./tree.ts";
import type { TargetLaw, Verdict } from "./verifier.ts";

/** Tests a node against what is left of the target's law at its parent: null accepts it, a remainder is what its rejection leaves. */
export type NodeTest = (rest: Remainder, node: number, accept: Rng) => Remainder | null;

/**
 * Walks down a tree from its root: of the children of a node, in order, the first one that passes is gone on with; where none does, the next token is
 * drawn from what the rejections have left of the target's law.
 *
 * @param siblings The test of the children of one node; made anew for each, where it remembers what came before.
 */
export function topDown(
  tree: DraftTree,
  target: TargetLaw,
  position: number,
  key: RngKey,
  siblings: () => NodeTest,
): Verdict {
  const path: number[] = [];
  for (let node = -1; ;) {
    const at = position + path.length;
    const accept = key.at(at, "accept");
    const test = siblings();
    let rest = remainderOf(target(node));
    const child = childrenOf(tree, node).find((i) => {
      const left = test(rest, i, accept);
      if (left === null) return true;
      rest = left;
      return false;
    });
    if (child === undefined) return { path, next: drawRemainder(rest, key.at(at, "sample")) };
    path.push((node = child));
  }
}
