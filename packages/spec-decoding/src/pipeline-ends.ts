import {
  type Distribution,
  type LanguageModel,
  processLogits,
  resolveSampling,
  row,
  type RngKey,
  type Sampling,
} from "@veridraft/core-probs";
import type { Drafter } from "./drafter.ts";
import type { DraftTree } from "./tree.ts";

/** Where a pipeline gets its drafts: in this process or behind a wire. Calls may overlap; a stale one is aborted by its signal. */
export interface DraftEnd {
  /** A chain of at most `count` tokens after `ids`, which may have been cut back since the last call; empty where there is nothing to say. */
  draft(ids: readonly number[], count: number, signal: AbortSignal): Promise<DraftTree>;
  dispose(): Promise<void>;
}

/** Where a pipeline gets the target's laws. Calls may overlap; a stale one is aborted by its signal. */
export interface TargetEnd {
  /** The laws of the tokens after ids[from - 1], ids[from], … and the last of `ids`: ids.length - from + 1 of them, in one forward. */
  laws(ids: readonly number[], from: number, signal: AbortSignal): Promise<readonly Distribution[]>;
  dispose(): Promise<void>;
}

/** Runs tasks one after the other, whatever becomes of those before. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T> | T): Promise<T> {
    const turn = this.#last.then(task, task);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/**
 * A draft end of a drafter of chains, be it local or remote.
 *
 * @param open Called before the first draft and whenever `ids` were cut back, with the drafter so far: return it where it can follow (a draft model
 * can), a new one where not (a stream to a draft server is opened again). The one that is not returned is disposed.
 */
export function createDraftEnd(
  open: (last: Drafter | null) => Promise<Drafter> | Drafter,
  key: RngKey,
): DraftEnd {
  const turns = new Turns();
  let drafter: Drafter | null = null;
  let seen: readonly number[] = [];
  return {
    draft: (ids, count, signal) =>
      turns.run(async () => {
        signal.throwIfAborted();
        if (!drafter || !seen.every((id, i) => id === ids[i])) {
          const next = await open(drafter);
          if (next !== drafter) drafter?.dispose();
          drafter = next;
        }
        seen = ids;
        return drafter.propose({ ids, budget: count, key, signal });
      }),
    dispose: () => turns.run(() => drafter?.dispose()),
  };
}

/** A target end of a model in this process. Its cache follows the ids: what was run and stands is not run again. */
export async function createTargetEnd(
  model: LanguageModel,
  options: Partial<Sampling> = {},
): Promise<TargetEnd> {
  const sampling = resolveSampling(options);
  const sequence = await model.open();
  const turns = new Turns();
  let held: readonly number[] = [];
  return {
    laws: (ids, from, signal) =>
      turns.run(async () => {
        let common = 0;
        const most = Math.min(held.length, from - 1);
        while (common < most && held[common] === ids[common]) common++;
        sequence.truncate(common);
        held = ids.slice(0, common);
        const logits = await sequence.forward(ids.slice(common), { signal });
        sequence.commit(ids.length - common);
        held = ids;
        return Array.from({ length: ids.length - from + 1 }, (_, i) =>
          processLogits(row(logits, from - 1 + i - common), sampling, ids.slice(0, from + i)),
        );
      }),
    dispose: () => turns.run(() => sequence.dispose()),
  };
}
