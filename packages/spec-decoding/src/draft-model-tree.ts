/**
 * Draft model, as a tree: a smaller model with the same vocabulary proposes several tokens for each place, level by level.
 *
 * Miao et al., "SpecInfer: Accelerating Generative Large Language Model Serving with Tree-based Speculative Inference and Verification", 2023,
 * arXiv:2305.09781 (independent siblings); Chen et al., "Sequoia: Scalable, Robust, and Hardware-aware Speculative Decoding", 2024, arXiv:2402.12374
 * (without replacement).
 *
 * A node of depth d gets widths[d] children. optimal: drawn from q, truncated to its 256 likeliest tokens, each child with the law it was drawn from;
 * or the likeliest tokens, without laws. seeded: those of the largest ln q + g_t, with the noise g_t of the target at their position. greedy: the
 * likeliest. Nodes are counted off against the budget before they are drawn, breadth first, so that none has to be dropped.
 *
 * Departures: the truncation; exact, since the law given is the law drawn from.
 */
import {
  type Distribution,
  type LanguageModel,
  probabilityOf,
  processLogits,
  resolveSampling,
  type Rng,
  sample,
  sampleGumbel,
  topK,
  truncateLaw,
} from "@veridraft/core-probs";
import { z } from "zod";
import { parseConfig } from "./config.ts";
import { type DraftModelOptions, lawSize } from "./draft-model.ts";
import type { Drafter, DraftLaw } from "./drafter.ts";
import { FollowingCache } from "./following-cache.ts";
import { withoutToken } from "./child-choice.ts";
import { sampleWithoutReplacement } from "./without-replacement.ts";

/** Options of {@link createDraftModelTree}. */
export const draftModelTreeConfig = z.strictObject({
  widths: z
    .array(z.int().min(1))
    .min(1)
    .readonly()
    .default([3, 2, 1, 1])
    .describe("Children of a node by its depth, the root first."),
  siblings: z
    .enum(["withoutReplacement", "independent", "likeliest"])
    .default("withoutReplacement")
    .describe("How they are chosen with the coupling optimal, where the target is not greedy."),
});
export type DraftModelTreeConfig = z.output<typeof draftModelTreeConfig>;

export interface DraftModelTreeOptions
  extends DraftModelOptions, z.input<typeof draftModelTreeConfig> {}

/** Children of one node, with the law that each was drawn from. */
interface Siblings {
  readonly tokens: readonly number[];
  readonly laws: readonly DraftLaw[];
}

/**
 * Opens a sequence of the draft model. A level costs one forward where the model runs trees, else one for each of its nodes.
 *
 * @throws InvalidArgumentError for a sampling or config out of range.
 */
export async function createDraftModelTree(
  model: LanguageModel,
  options: DraftModelTreeOptions = {},
): Promise<Drafter> {
  const { sampling: given, coupling = "seeded", ...rest } = options;
  const { widths, siblings } = parseConfig("createDraftModelTree", draftModelTreeConfig, rest);
  const sampling = resolveSampling(given);
  const greedy = sampling.temperature === 0;
  // A greedy law has one token; its siblings are the likeliest after it.
  const ranking = greedy ? { ...sampling, temperature: 1 } : sampling;
  const chosen = greedy || (coupling === "optimal" && siblings === "likeliest");
  const cache = new FollowingCache(await model.open());

  /** @param draws The stream of the round. @param noise That of the target for the position of the children. */
  function childrenOf(law: Distribution, count: number, draws: Rng, noise: Rng): Siblings {
    if (chosen) return likeliest(law, count);
    if (coupling === "seeded") return largestWithNoise(law, count, noise);
    if (siblings === "withoutReplacement") {
      return sampleWithoutReplacement(law, count, model.vocabSize, draws);
    }
    const tokens = Array.from({ length: count }, () => sample(law, draws));
    return { tokens, laws: tokens.map(() => law) };
  }

  return {
    name: "draft-model-tree",
    successors: 0,
    async propose({ ids, budget, key, signal }) {
      const text = Array.from(ids);
      const tokens: number[] = [];
      const parents: number[] = [];
      const laws: DraftLaw[] = [];
      const confidences: number[] = [];
      const draws = key.at(text.length, "draft");
      let level = [{ node: -1, text }];
      for (const width of widths) {
        const room = text.length + tokens.length <= model.contextLength;
        if (!room || level.length === 0 || tokens.length >= budget) break;
        const first = level[0].node;
        const rows =
          first < 0
            ? // oxlint-disable-next-line no-await-in-loop -- a level hangs on the one above
              [await cache.logitsAfter(text, signal)]
            : // oxlint-disable-next-line no-await-in-loop -- a level hangs on the one above
              await cache.logitsAfterNodes(tokens, parents, first, signal);
        level = level.flatMap((parent, i) => {
          const count = Math.min(width, budget - tokens.length);
          if (count === 0) return [];
          let law = processLogits(rows[i], ranking, parent.text);
          if (!chosen && coupling === "optimal") law = truncateLaw(law, lawSize);
          const noise = key.at(parent.text.length, "sample");
          const children = childrenOf(law, count, draws, noise);
          return children.tokens.map((token, j) => {
            parents.push(parent.node);
            laws.push(children.laws[j]);
            confidences.push(Math.min(1, probabilityOf(law, token)));
            return { node: tokens.push(token) - 1, text: [...parent.text, token] };
          });
        });
      }
      return {
        tokens: Int32Array.from(tokens),
        parents: Int32Array.from(parents),
        laws,
        confidences: Float32Array.from(confidences),
      };
    },
    observe() {},
    dispose() {
      cache.dispose();
    },
  };
}

function likeliest({ ids, probs }: Distribution, count: number): Siblings {
  const places = topK(probs, count).filter((j) => probs[j] > 0);
  return {
    tokens: Array.from(places, (j) => (ids === null ? j : ids[j])),
    laws: Array.from(places, () => null),
  };
}

/** The first is the draw that a seeded chain would make; the others are looked for among the likeliest tokens only. */
function largestWithNoise(law: Distribution, count: number, noise: Rng): Siblings {
  const tokens = [sampleGumbel(law, noise)];
  for (let rest = withoutToken(truncateLaw(law, lawSize), tokens[0]); tokens.length < count;) {
    if (rest === null) break;
    const token = sampleGumbel(rest, noise);
    tokens.push(token);
    rest = withoutToken(rest, token);
  }
  return { tokens, laws: tokens.map(() => null) };
}
