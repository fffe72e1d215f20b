/**
 * Typical acceptance: keeps every drafted token that the target finds likely enough, whatever it would have drawn. Lossy: the text is greedy-like.
 *
 * Cai et al., "Medusa: Simple LLM Inference Acceleration Framework with Multiple Decoding Heads", 2024, arXiv:2401.10774.
 *
 * Accept x where p(x) > min(epsilon, delta exp(-H(p))), H the entropy in nats. Of the paths of accepted nodes the longest is kept, of equally long
 * ones that of the largest probability under p. The token after it is the argmax of p.
 *
 * Departures: the first token of a round is the one after the last path, so that "the first token is greedy" is the last line above.
 */
import { argmax, type Distribution, entropy, probabilityOf } from "@veridraft/core-probs";
import { z } from "zod";
import { parseConfig } from "./config.ts";
import type { Verifier } from "./verifier.ts";

/** Options of {@link createTypicalAcceptance}. */
export const typicalAcceptanceConfig = z.strictObject({
  epsilon: z
    .number()
    .positive()
    .max(1)
    .default(0.09)
    .describe("A token of this probability is always accepted."),
  delta: z
    .number()
    .positive()
    .max(1)
    .default(0.3)
    .describe("Share of exp(-entropy) that a token must reach where the law is flat."),
});
export type TypicalAcceptanceConfig = z.output<typeof typicalAcceptanceConfig>;

/**
 * The probability that a token must exceed.
 *
 * @example typicalThreshold({ ids: null, probs: Float32Array.of(0.5, 0.3, 0.2) }, { epsilon: 0.09, delta: 0.3 }) // 0.09
 */
export function typicalThreshold(
  law: Distribution,
  { epsilon, delta }: TypicalAcceptanceConfig,
): number {
  return Math.min(epsilon, delta * Math.exp(-entropy(law.probs)));
}

/**
 * A verifier for every tree; it draws nothing. Ties of paths go to the first one, ties of tokens to the lowest id.
 *
 * @throws InvalidArgumentError for a config out of range.
 */
export function createTypicalAcceptance(
  config: z.input<typeof typicalAcceptanceConfig> = {},
): Verifier {
  const settings = parseConfig("createTypicalAcceptance", typicalAcceptanceConfig, config);
  return {
    name: "typical-acceptance",
    lossless: false,
    verify(tree, target) {
      /** Accepted nodes with the path to each and its log-probability. */
      const accepted = new Map([[-1, { path: [] as number[], score: 0 }]]);
      let best = { path: [] as number[], score: 0 };
      const thresholds = new Map<number, number>();
      tree.parents.forEach((parent, node) => {
        const above = accepted.get(parent);
        if (!above) return;
        const law = target(parent);
        let threshold = thresholds.get(parent);
        if (threshold === undefined) {
          threshold = typicalThreshold(law, settings);
          thresholds.set(parent, threshold);
        }
        const probability = probabilityOf(law, tree.tokens[node]);
        if (!(probability > threshold)) return;
        const here = {
          path: [...above.path, node],
          score: above.score + Math.log(probability),
        };
        accepted.set(node, here);
        const longer = here.path.length - best.path.length;
        if (longer > 0 || (longer === 0 && here.score > best.score)) best = here;
      });
      const { ids, probs } = target(best.path.at(-1) ?? -1);
      const place = argmax(probs);
      return { path: best.path, next: ids === null ? place : ids[place] };
    },
  };
}
