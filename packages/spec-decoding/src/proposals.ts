import { type Matrix, row, type RngKey, topK } from "@veridraft/core-probs";
import type { DraftContext, Drafter } from "./drafter.ts";
import { LastSuccessor } from "./last-successor.ts";
import { type Schedule, selected } from "./schedule.ts";
import type { DraftFailures } from "./statistics.ts";
import { bestChain, checkTree, type DraftTree, emptyTree, isSampled, selectNodes } from "./tree.ts";
import { untilAborted } from "./until-aborted.ts";

/** Asks the drafter as the schedule says; falls back to one free guess. */
export class Proposals {
  readonly #drafter: Drafter;
  readonly #schedule: Schedule;
  readonly #vocabSize: number;
  readonly #branching: boolean;
  readonly #fallback = new LastSuccessor();
  #asked = false;
  #drafted = 0;
  #failures: DraftFailures = { count: 0, last: null };

  constructor(drafter: Drafter, schedule: Schedule, vocabSize: number, branching: boolean) {
    this.#branching = branching;
    this.#drafter = drafter;
    this.#schedule = schedule;
    this.#vocabSize = vocabSize;
  }

  get failures(): DraftFailures {
    return this.#failures;
  }

  /** The tree to verify, of at most `room` nodes. @param taps Hidden states, for a drafter that wants them. */
  async next(
    ids: ArrayLike<number>,
    room: number,
    key: RngKey,
    taps?: Float32Array,
    signal?: AbortSignal,
  ): Promise<DraftTree> {
    this.#drafted = 0;
    const budget = Math.min(this.#schedule.budget(), room);
    const started = performance.now();
    this.#asked = budget > 0;
    const confidenceThreshold = this.#schedule.confidenceThreshold();
    const context = { ids, budget, confidenceThreshold, key, taps, signal };
    const proposal = budget > 0 ? await this.#ask(context) : emptyTree;
    this.#drafted = proposal.tokens.length;
    if (this.#drafted > 0) return selected(this.#schedule, proposal, performance.now() - started);
    return room > 0 ? this.#fallback.guess(ids) : emptyTree;
  }

  /** Tells schedule and drafter what became of the tree. */
  observe(tree: DraftTree, path: readonly number[], logits: Matrix, draftMs: number): void {
    if (this.#asked) this.#schedule.observe({ tree, path, drafted: this.#drafted, draftMs });
    const successors = likeliest(logits, this.#drafter.successors);
    this.#drafter.observe({ tree, path, successors });
  }

  async #ask(context: DraftContext): Promise<DraftTree> {
    const { signal, budget } = context;
    try {
      const tree = await untilAborted(this.#drafter.propose(context), signal);
      checkTree(tree, this.#vocabSize, budget);
      return this.#branching || isSampled(tree) ? tree : selectNodes(tree, bestChain(tree));
    } catch (error) {
      signal?.throwIfAborted();
      this.#failures = { count: this.#failures.count + 1, last: error };
      return emptyTree;
    }
  }
}

/** [rows, k] the ids of the k largest logits of every row; -1 where there are fewer. */
export function likeliest(logits: Matrix, k: number): Int32Array {
  const ids = new Int32Array(k * logits.rows).fill(-1);
  if (k === 0) return ids;
  for (let i = 0; i < logits.rows; i++) ids.set(topK(row(logits, i), k), i * k);
  return ids;
}
