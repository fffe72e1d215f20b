import type { DraftContext, Drafter } from "./drafter.ts";
import { type DraftTree, emptyTree } from "./tree.ts";

/** Told in one sentence what went wrong without ending anything. */
export type Warn = (message: string) => void;

/** The drafters of a combination: one that fails says nothing in that round, and is warned of once until it answers again. */
export class Members {
  readonly #warn: Warn;
  readonly #failing = new Set<Drafter>();

  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /** The proposal of each, in order. @throws what the first one failed with, where all of them fail; the signal's reason where it aborts. */
  async askAll(drafters: readonly Drafter[], context: DraftContext): Promise<DraftTree[]> {
    const failures: unknown[] = [];
    const trees = await Promise.all(
      drafters.map((drafter) => this.ask(drafter, context, failures)),
    );
    if (failures.length === drafters.length) throw failures[0];
    return trees;
  }

  /** The proposal of one; empty where it fails. @param failures Gets what it fails with. @throws the signal's reason where it aborts. */
  async ask(drafter: Drafter, context: DraftContext, failures: unknown[]): Promise<DraftTree> {
    try {
      const tree = await drafter.propose(context);
      this.#failing.delete(drafter);
      return tree;
    } catch (error) {
      context.signal?.throwIfAborted();
      failures.push(error);
      if (!this.#failing.has(drafter)) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#warn(`the drafter ${drafter.name} is left out until it answers again: ${reason}`);
      }
      this.#failing.add(drafter);
      return emptyTree;
    }
  }
}
