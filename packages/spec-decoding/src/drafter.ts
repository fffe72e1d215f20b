import type { Distribution, RngKey } from "@veridraft/core-probs";
import type { DraftTree } from "./tree.ts";

/** What a drafter sees when it is asked. */
export interface DraftContext {
  /** All committed ids, prompt first; the last one is the root, whose successor is wanted. Grows by appending only between two calls. */
  readonly ids: ArrayLike<number>;
  /** Most nodes that may be proposed, at least 1. */
  readonly budget: number;
  /**
   * In [0, 1): a drafter with a law stops before it draws, from the second token on, where its likeliest token has less probability. Advice: a
   * drafter that knows no such thing proposes as ever. Default 0.
   */
  readonly confidenceThreshold?: number;
  /**
   * The streams of the generation. Drawn nodes all draw from one stream, `key.at(ids.length, "draft")`: verifiers look at rejected nodes, too, so that
   * a draw must not come back in a later round. Seeded drafts at absolute position t use the noise of `key.at(t, "sample")`.
   */
  readonly key: RngKey;
  /** [tapWidth] the target's hidden states at the token before the root; absent where it gives none or none were asked for. */
  readonly taps?: Float32Array;
  readonly signal?: AbortSignal;
}

/** What became of a proposal. */
export interface DraftResult {
  /**
   * The tree as it was verified: a prefix-closed part of the proposal, in its order. Where the proposal was empty, or none was asked for, it may hold
   * one node that the loop guessed.
   */
  readonly tree: DraftTree;
  /** The accepted path, as node indices of `tree` from the root down. */
  readonly path: ArrayLike<number>;
  /**
   * [1 + nodes, successors] row-major: the target's likeliest next ids after the root (row 0) and after node i (row i + 1), best first.
   * -1 where a row has fewer unmasked tokens; empty where the drafter asked for none.
   */
  readonly successors: Int32Array;
}

/**
 * Proposes what the target may say next, for one generation. A drafter never affects what is generated, only how fast; state that outlives a
 * generation is passed to the function that makes one.
 */
export interface Drafter {
  readonly name: string;
  /** How many of the target's likeliest ids `observe` wants per row; 0 for none. */
  readonly successors: number;
  /** Width of the target's hidden states that `propose` wants; absent or 0 for none. */
  readonly tapWidth?: number;
  /** A tree of at most `budget` nodes; an empty one where there is nothing to say. */
  propose(context: DraftContext): Promise<DraftTree>;
  /** Called once after each round, also after those in which it was not asked or failed. */
  observe(result: DraftResult): void;
  /** Ends the generation: frees what it holds. A proposal may be under way when its generation is aborted. Calling it again does nothing. */
  dispose(): void;
}

/** The law a node was drawn from; null for a node that was chosen and not drawn. */
export type DraftLaw = Distribution | null;
