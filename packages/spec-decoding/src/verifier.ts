import type { Distribution, RngKey } from "@veridraft/core-probs";
import type { DraftTree } from "./tree.ts";

/**
 * How the draws of drafter and target are tied together. `seeded`: both use the same noise and the target's own draw decides, so that the text of
 * a seed is exactly what plain sampling gives, whatever drafts. `optimal`: drafts are drawn freely and kept by rejection sampling, the highest
 * acceptance; the law of the text is that of the target, the text of a seed depends on the drafter.
 */
export type Coupling = "seeded" | "optimal";

/** The target's processed law after a node of the tree; -1 asks for the law after the root. Computed when asked, at most once a node. */
export type TargetLaw = (node: number) => Distribution;

/** The accepted path and the token after it. */
export interface Verdict {
  /** Accepted nodes from the root down; may be empty. */
  readonly path: readonly number[];
  /** The token after the path, drawn from the target: a correction where the path ends early, a bonus where it ends at a leaf. */
  readonly next: number;
}

/** Decides which drafted tokens are kept. The emitted tokens are those of the path, then `next`. */
export interface Verifier {
  readonly name: string;
  /** Whether the emitted tokens have exactly the law of the target. */
  readonly lossless: boolean;
  /**
   * @param position Absolute position of the token after the root. Draws come from `key.at(t, …)` with t from here to the position of `next`; later
   * ones belong to the next round.
   */
  verify(tree: DraftTree, target: TargetLaw, position: number, key: RngKey): Verdict;
}
