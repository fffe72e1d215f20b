/**
 * Prompt lookup: drafts what followed the last n tokens where they stood before.
 *
 * Saxena, "Prompt Lookup Decoding", 2023, github.com/apoorvumang/prompt-lookup-decoding; the same idea in Yang et al., "Inference with Reference:
 * Lossless Acceleration of Large Language Models", 2023, arXiv:2304.04487.
 *
 * For n = max .. min: find an earlier place of the last n tokens; draft the tokens after it, up to the budget; stop at the first n that is found.
 * Vote: of the tokens that followed the n-gram, up to 4 are counted, and the latest place of the one that came most often is continued.
 *
 * Departures: the latest earlier place by default (recency; the original takes the earliest); fewer tokens than the budget are drafted where the
 * text ends (as Hugging Face does); an index over n-grams replaces the scan, so that a proposal does not cost the length of the text. The vote is
 * that of llama.cpp's ngram-map-k4v, by the next token in place of the whole continuation; a fifth token takes the place of the rarest.
 */
import { z } from "zod";
import { parseConfig } from "./config.ts";
import type { Drafter } from "./drafter.ts";
import { chain, emptyTree } from "./tree.ts";

/** Options of {@link createPromptLookup}. */
export const promptLookupConfig = z.strictObject({
  ngram: z
    .strictObject({
      min: z.int().min(1).default(1).describe("Shortest suffix that is looked up."),
      max: z.int().min(1).default(3).describe("Longest suffix that is looked up; tried first."),
    })
    .refine(({ min, max }) => min <= max, "min must be at most max")
    .prefault({}),
  prefer: z
    .enum(["latest", "earliest", "vote"])
    .default("latest")
    .describe("Which earlier place of a suffix is continued; vote: of the most frequent token."),
});
export type PromptLookupConfig = z.output<typeof promptLookupConfig>;

/** Next tokens of an n-gram that are counted. */
const candidates = 4;

/** A token that followed an n-gram: how often, and where last (where first, if the earliest is preferred). */
interface Continuation {
  readonly token: number;
  place: number;
  count: number;
}

/**
 * A drafter that needs no model: good where the text repeats its prompt, as summaries and edits do. Its confidence for a token that follows n
 * matched ones is n / (n + 1), with a vote times the share of the votes.
 */
export function createPromptLookup(config: z.input<typeof promptLookupConfig> = {}): Drafter {
  const { ngram, prefer } = parseConfig("createPromptLookup", promptLookupConfig, config);
  /** n-gram -> what followed it; a single continuation without a vote. */
  const continuations = new Map<string, Continuation[]>();
  let indexed = 0;

  /** Files the n-grams that end before `place`: the token there follows them. */
  function index(ids: ArrayLike<number>, place: number): void {
    const token = ids[place];
    let gram = "";
    for (let n = 1; n <= ngram.max && n <= place; n++) {
      gram = `${ids[place - n]},${gram}`;
      if (n < ngram.min) continue;
      const known = continuations.get(gram);
      if (!known) continuations.set(gram, [{ token, place, count: 1 }]);
      else if (prefer === "vote") vote(known, token, place);
      else if (prefer === "latest") known[0] = { token, place, count: 1 };
    }
  }

  return {
    name: "prompt-lookup",
    successors: 0,
    async propose({ ids, budget }) {
      while (indexed < ids.length) index(ids, indexed++);
      const grams = [""];
      for (let n = 1; n <= ngram.max && n <= ids.length; n++) {
        grams.push(`${ids[ids.length - n]},${grams[n - 1]}`);
      }
      for (let n = grams.length - 1; n >= ngram.min; n--) {
        const known = continuations.get(grams[n]);
        if (!known) continue;
        const { place, count } = known.reduce((best, next) => (ahead(next, best) ? next : best));
        const share = count / known.reduce((sum, next) => sum + next.count, 0);
        const length = Math.min(budget, ids.length - place);
        const tokens = Array.from({ length }, (_, i) => ids[place + i]);
        return chain(
          tokens,
          tokens.map((_, i) => ((i === 0 ? share : 1) * (n + i)) / (n + i + 1)),
        );
      }
      return emptyTree;
    },
    observe() {},
    dispose() {
      continuations.clear();
    },
  };
}

/** Whether `a` has more votes than `b`; of equals the later one is ahead. */
function ahead(a: Continuation, b: Continuation): boolean {
  return a.count > b.count || (a.count === b.count && a.place > b.place);
}

/** Counts a token that followed an n-gram. */
function vote(known: Continuation[], token: number, place: number): void {
  const same = known.find((continuation) => continuation.token === token);
  if (same) {
    same.count++;
    same.place = place;
    return;
  }
  if (known.length === candidates) {
    const rarest = known.reduce((last, next) => (ahead(last, next) ? next : last));
    known.splice(known.indexOf(rarest), 1);
  }
  known.push({ token, place, count: 1 });
}
