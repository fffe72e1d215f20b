import { childrenOf, type DraftTree } from "./tree.ts";

/** What drafting did for a generation. The forward of the prompt is not a round. */
export interface Statistics {
  /** Name of the drafter; "none" without one. */
  readonly drafter: string;
  /** Whether the text has exactly the law of the target: false with a lossy verifier. */
  readonly lossless: boolean;
  /** Forwards of the target after the prompt. */
  readonly rounds: number;
  /** Draft tokens that were verified. */
  readonly proposed: number;
  /** Draft tokens that were tested: on the accepted path, or the first rejection after it. */
  readonly evaluated: number;
  /** Draft tokens that became text (or the stop id). */
  readonly accepted: number;
  /** acceptedAt[d] rounds accepted a token at depth d + 1: divided by `rounds`, the unconditional acceptance of the position. */
  readonly acceptedAt: readonly number[];
  /** 1 + accepted / rounds: tokens per forward. 1 where there was no round. */
  readonly meanAcceptanceLength: number;
  /** accepted / proposed; 0 where nothing was proposed. */
  readonly acceptanceRate: number;
  /** Rounds whose drafter failed to answer, or answered with a tree that cannot be verified. */
  readonly undraftedRounds: number;
  /** What it failed with the last time; null where it never did. */
  readonly lastDraftError: unknown;
  /** Time of the forward of the prompt. */
  readonly prefillMs: number;
  /** Time spent waiting for drafts. */
  readonly draftMs: number;
  /** Time of the target's forwards after the prompt. */
  readonly verifyMs: number;
}

/** How often a drafter failed, and with what the last time. */
export interface DraftFailures {
  readonly count: number;
  readonly last: unknown;
}

/** Counts {@link Statistics} as rounds go by. */
export class StatisticsCounter {
  readonly #lossless: boolean;
  #rounds = 0;
  #proposed = 0;
  #evaluated = 0;
  #accepted = 0;
  readonly #acceptedAt: number[] = [];
  #draftMs = 0;
  #verifyMs = 0;
  prefillMs = 0;
  failures: DraftFailures = { count: 0, last: null };

  constructor(lossless: boolean) {
    this.#lossless = lossless;
  }

  /** @param path The accepted path. @param accepted How many of its tokens count: fewer where the text ended inside it. */
  add(
    tree: DraftTree,
    path: readonly number[],
    accepted: number,
    draftMs: number,
    verifyMs: number,
  ): void {
    this.#rounds++;
    this.#proposed += tree.tokens.length;
    this.#evaluated += path.length;
    if (childrenOf(tree, path.at(-1) ?? -1).length > 0) this.#evaluated++;
    this.#accepted += accepted;
    for (let d = 0; d < accepted; d++) this.#acceptedAt[d] = (this.#acceptedAt[d] ?? 0) + 1;
    this.#draftMs += draftMs;
    this.#verifyMs += verifyMs;
  }

  get(drafter: string): Statistics {
    return {
      drafter,
      lossless: this.#lossless,
      rounds: this.#rounds,
      proposed: this.#proposed,
      evaluated: this.#evaluated,
      accepted: this.#accepted,
      acceptedAt: [...this.#acceptedAt],
      meanAcceptanceLength: 1 + (this.#rounds > 0 ? this.#accepted / this.#rounds : 0),
      acceptanceRate: this.#proposed > 0 ? this.#accepted / this.#proposed : 0,
      undraftedRounds: this.failures.count,
      lastDraftError: this.failures.last,
      prefillMs: this.prefillMs,
      draftMs: this.#draftMs,
      verifyMs: this.#verifyMs,
    };
  }
}
