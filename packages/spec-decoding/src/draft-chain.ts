import { type Distribution, probabilityOf, sample, sampleGumbel } from "@veridraft/core-probs";
import { greatest } from "./confidence-schedule.ts";
import type { DraftContext, DraftLaw } from "./drafter.ts";
import { chain, type DraftTree } from "./tree.ts";

/** What a draft thinks comes after a text. */
export interface Guess {
  /** That its token is drawn or taken from. */
  readonly law: Distribution;
  /** That shows how sure it is; mostly the same. */
  readonly shown: Distribution;
}

/** How a chain is drafted. */
export interface ChainOptions {
  /** Most tokens. */
  readonly count: number;
  /** Whether tokens are drawn and given with their law, or those that the target's own noise picks. */
  readonly drawn: boolean;
  /** In [0, 1]: it ends where the product of the confidences falls below. Default 0. */
  readonly least?: number;
}

/** Drafts token after token from what `guess` says of the text so far, as the coupling has it. */
export async function draftChain(
  { ids, key, confidenceThreshold = 0 }: DraftContext,
  { count, drawn, least = 0 }: ChainOptions,
  guess: (text: readonly number[]) => Promise<Guess>,
): Promise<DraftTree> {
  const text = Array.from(ids);
  const tokens: number[] = [];
  const laws: DraftLaw[] = [];
  const confidences: number[] = [];
  const draws = key.at(ids.length, "draft");
  for (let product = 1; tokens.length < count && product >= least;) {
    // oxlint-disable-next-line no-await-in-loop -- a token hangs on the one before
    const { law, shown } = await guess(text);
    if (tokens.length > 0 && greatest(shown.probs) < confidenceThreshold) break;
    const token = drawn ? sample(law, draws) : sampleGumbel(law, key.at(text.length, "sample"));
    const confidence = Math.min(1, probabilityOf(shown, token));
    tokens.push(token);
    laws.push(drawn ? law : null);
    confidences.push(confidence);
    text.push(token);
    product *= confidence;
  }
  return chain(tokens, confidences, laws);
}
