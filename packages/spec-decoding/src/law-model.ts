import {
  type Distribution,
  type LanguageModel,
  processLogits,
  resolveSampling,
  type Sampling,
  topK,
} from "@veridraft/core-probs";
import { FollowingCache } from "./following-cache.ts";

/** The likeliest tokens of a law, ids ascending, with the probabilities that they have in it: their sum is at most 1. */
export interface LawHead {
  readonly ids: Int32Array;
  readonly probs: Float32Array;
}

/** What a model says of the next token. */
export interface NextLaws {
  /** Of the law that is drawn from. */
  readonly processed: LawHead;
  /** Of the model's own law: no penalties, temperature 1, no truncation. */
  readonly raw: LawHead;
}

/** How a text is looked at. */
export interface LawOptions {
  readonly sampling: Sampling;
  /** Most tokens of a head, at least 1. */
  readonly top: number;
}

/** One text of a model, seen through the heads of its laws. */
export interface LawSequence {
  /**
   * The laws after `ids`, which grow by appending only from call to call.
   *
   * @throws ContextLengthError where the context is too short; whatever keeps the model from answering.
   */
  after(ids: readonly number[], signal?: AbortSignal): Promise<NextLaws>;
  /** Frees the text. Calling it again does nothing. */
  dispose(): void;
}

/** A model that is asked for laws only: in this process, see {@link createLawModel}, or behind a wire. */
export interface LawModel {
  /** Opens a text. */
  openLaws(options: LawOptions): Promise<LawSequence>;
}

const plain = resolveSampling({ temperature: 1 });

/** A language model of this process as a {@link LawModel}; disposing the language model stays with the caller. */
export function createLawModel(model: LanguageModel): LawModel {
  return {
    async openLaws({ sampling, top }) {
      const cache = new FollowingCache(await model.open());
      return {
        async after(ids, signal) {
          const logits = await cache.logitsAfter(ids, signal);
          return {
            processed: headOf(processLogits(logits, sampling, ids), top),
            raw: headOf(processLogits(logits, plain, ids), top),
          };
        },
        dispose: () => cache.dispose(),
      };
    },
  };
}

/** The `size` likeliest tokens of a law (ties: lowest ids), without those of probability 0. */
export function headOf({ ids, probs }: Distribution, size: number): LawHead {
  const chosen = topK(probs, size)
    .filter((j) => probs[j] > 0)
    .toSorted();
  return {
    ids: ids === null ? chosen : chosen.map((j) => ids[j]),
    probs: Float32Array.from(chosen, (j) => probs[j]),
  };
}
