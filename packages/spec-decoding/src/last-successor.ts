import { chain, type DraftTree, emptyTree } from "./tree.ts";

/** Chance that what followed a token last time follows it again; low, as no context is looked at. */
const confidence = 0.1;

/**
 * One free guess for rounds in which the drafter has nothing to say: what followed the root the last time it stood in this generation, prompt
 * included. A forward of two rows costs what one of a single row does, so the guess costs nothing.
 */
export class LastSuccessor {
  readonly #successors = new Map<number, number>();
  #seen = 1;

  /** A single node, or the empty tree where the root is new. */
  guess(ids: ArrayLike<number>): DraftTree {
    for (; this.#seen < ids.length; this.#seen++) {
      this.#successors.set(ids[this.#seen - 1], ids[this.#seen]);
    }
    const next = this.#successors.get(ids[ids.length - 1]);
    return next === undefined ? emptyTree : chain([next], [confidence]);
  }
}
