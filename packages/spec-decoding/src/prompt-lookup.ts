/**
 * Prompt lookup: drafts what followed the last n tokens where they stood before.
 *
 * Saxena, "Prompt Lookup Decoding", 2023, github.com/apoorvumang/prompt-lookup-decoding; the same idea in Yang et al., "Inference with Reference:
 * Lossless Acceleration of Large Language Models", 2023, arXiv:2304.04487.
 *
 * For n = max .. min: find an earlier place of the last n tokens; draft the tokens after it, up to the budget; stop at the first n that is found.
 *
 * Departures: the latest earlier place by default (recency; the original takes the earliest); fewer tokens than the budget are drafted where the
 * text ends (as Hugging Face does); an index over n-grams replaces the scan, so that a proposal does not cost the length of the text.
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
    .enum(["latest", "earliest"])
    .default("latest")
    .describe("Which earlier place of a suffix is continued."),
});
export type PromptLookupConfig = z.output<typeof promptLookupConfig>;

/**
 * A drafter that needs no model: good where the text repeats its prompt, as summaries and edits do. Its confidence for a token that follows n
 * matched ones is n / (n + 1).
 */
export function createPromptLookup(config: z.input<typeof promptLookupConfig> = {}): Drafter {
  const { ngram, prefer } = parseConfig("createPromptLookup", promptLookupConfig, config);
  /** n-gram -> place of the token after it. */
  const places = new Map<string, number>();
  let indexed = 0;

  /** Files the n-grams that end before `end`: the token at `end` follows them. */
  function index(ids: ArrayLike<number>, end: number): void {
    let gram = "";
    for (let n = 1; n <= ngram.max && n <= end; n++) {
      gram = `${ids[end - n]},${gram}`;
      if (n < ngram.min || (prefer === "earliest" && places.has(gram))) continue;
      places.set(gram, end);
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
        const place = places.get(grams[n]);
        if (place === undefined) continue;
        const length = Math.min(budget, ids.length - place);
        const tokens = Array.from({ length }, (_, i) => ids[place + i]);
        return chain(
          tokens,
          tokens.map((_, i) => (n + i) / (n + i + 1)),
        );
      }
      return emptyTree;
    },
    observe() {},
    dispose() {
      places.clear();
    },
  };
}
