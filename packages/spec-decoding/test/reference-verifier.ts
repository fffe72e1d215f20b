/** The rule without replacement in float64, written apart from the package's verifiers, and what a tree is drawn from in tests. */
import type { Distribution, RngKey } from "@veridraft/core-probs";
import { childrenOf, type DraftTree } from "@veridraft/spec-decoding";

export const law = (probs: readonly number[]): Distribution => ({
  ids: null,
  probs: Float32Array.from(probs),
});

function masses({ ids, probs }: Distribution, size: number): number[] {
  const dense = Array.from({ length: size }, () => 0);
  probs.forEach((mass, j) => (dense[ids === null ? j : ids[j]] = mass));
  const sum = dense.reduce((a, b) => a + b);
  return dense.map((mass) => mass / sum);
}

/** @param target p after a node. @param at Position of the decision at the root. */
export function verifyDrawn(
  tree: DraftTree,
  target: (node: number) => readonly number[],
  key: RngKey,
  at = 0,
): { path: number[]; next: number } {
  const path: number[] = [];
  for (let node = -1; ;) {
    const accept = key.at(at + path.length, "accept");
    let rest = [...target(node)];
    const child = childrenOf(tree, node).find((i) => {
      const from = tree.laws[i];
      if (from === null) throw new Error(`node ${i} was not drawn`);
      const drawn = masses(from, rest.length);
      const token = tree.tokens[i];
      if (accept.bernoulli(Math.min(1, rest[token] / drawn[token]))) return true;
      const left = rest.map((mass, id) => Math.max(0, mass - drawn[id]));
      const sum = left.reduce((a, b) => a + b);
      rest = left.map((mass) => mass / sum);
      return false;
    });
    if (child === undefined) {
      return { path, next: key.at(at + path.length, "sample").categorical(rest) };
    }
    path.push((node = child));
  }
}
