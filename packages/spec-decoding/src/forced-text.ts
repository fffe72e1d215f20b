/**
 * Forced text: drafts tokens that a caller knows must come next, such as the only continuation that a grammar allows.
 *
 * "Coalescence" of .txt's Outlines, 2024, and "jump-forward decoding" of Zheng et al., "SGLang: Efficient Execution of Structured Language Model
 * Programs", 2023, arXiv:2312.07104.
 *
 * Before each round the hook is asked for the tokens that must follow the text; they are drafted as a chain, each with confidence 1.
 *
 * Departures: the tokens are verified like any draft in place of being appended unseen, so that a hook that is wrong costs time and never changes the
 * text; it is the sampling law that must forbid the others.
 */
import type { Drafter } from "./drafter.ts";
import { chain } from "./tree.ts";

/**
 * Tokens that must follow a text, the first ones first; none where several may. More than `budget` of them are cut. What it throws counts as a failed
 * draft.
 */
export type ForcedTokens = (ids: ArrayLike<number>, budget: number) => ArrayLike<number>;

/** A drafter that says what must come and nothing else; put it before another one with `createFirstOf`. */
export function createForcedText(forced: ForcedTokens): Drafter {
  return {
    name: "forced-text",
    successors: 0,
    async propose({ ids, budget }) {
      const tokens = Array.from(forced(ids, budget)).slice(0, budget);
      return chain(tokens, new Float32Array(tokens.length).fill(1));
    },
    observe() {},
    dispose() {},
  };
}
