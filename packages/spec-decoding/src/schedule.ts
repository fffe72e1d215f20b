import { InvalidArgumentError } from "@veridraft/core-probs";
import { type DraftTree, isSampled } from "./tree.ts";

/** What a round showed. */
export interface RoundOutcome {
  /** As verified. */
  readonly tree: DraftTree;
  readonly path: ArrayLike<number>;
  /** Nodes as proposed, before any were left out, and the time they took. */
  readonly drafted: number;
  readonly draftMs: number;
}

/**
 * The choices of one generation: how much to draft, and how much of it to verify.
 *
 * What is drawn must be decided before it is drawn: dropping a drawn node because of its token bends the law of the text. A schedule therefore sees
 * drawn trees only in `observe`, and {@link selected} refuses one that takes nodes out of them.
 */
export interface Schedule {
  /** Nodes to ask for; 0 where drafting does not pay at present. */
  budget(): number;
  /** In [0, 1): a drafter that can tell stops before a draw where its likeliest token has less probability; 0 never stops it. */
  confidenceThreshold(): number;
  /** The part of a proposal that is worth verifying; all of a drawn one. */
  select(tree: DraftTree, draftMs: number): DraftTree;
  observe(outcome: RoundOutcome): void;
}

/**
 * What a schedule selects.
 *
 * @throws InvalidArgumentError where it changes a tree with drawn nodes.
 */
export function selected(schedule: Schedule, tree: DraftTree, draftMs: number): DraftTree {
  const part = schedule.select(tree, draftMs);
  if (isSampled(tree) && part !== tree) {
    throw new InvalidArgumentError(
      `schedule: ${part.tokens.length} of ${tree.tokens.length} drawn nodes were selected, which bends the law of the text; return the tree itself`,
    );
  }
  return part;
}
