/**
 * Acceptance thresholds: sample and match that also keeps tokens the target finds likely, or nearly drew. Lossy, unless both thresholds are 1.
 *
 * SGLang, github.com/sgl-project/sglang (options --speculative-accept-threshold-single and --speculative-accept-threshold-acc).
 *
 * node = root; u ~ U[0, 1); for each child x: s = sum of p over the children so far; accept where p(x) >= single or u acc < s.
 * No child accepted: emit y ~ p without the children and stop. With single = acc = 1: a child is kept exactly as often as p draws it.
 *
 * Departures: a second sibling with the token of an earlier one adds nothing to s (it would be counted twice).
 */
import { z } from "zod";
import { parseConfig } from "./config.ts";
import { remainingProbability, removeLaw } from "./remainder.ts";
import { topDown } from "./top-down.ts";
import type { Verifier } from "./verifier.ts";

/** Options of {@link createThresholdAcceptance}. */
export const thresholdAcceptanceConfig = z.strictObject({
  single: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .describe("A drafted token of at least this probability is accepted."),
  acc: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .describe("Factor on the draw that the children's total probability must exceed."),
});
export type ThresholdAcceptanceConfig = z.output<typeof thresholdAcceptanceConfig>;

/**
 * A verifier for every tree; laws of nodes are not looked at.
 *
 * @throws InvalidArgumentError for a config out of range.
 */
export function createThresholdAcceptance(
  config: z.input<typeof thresholdAcceptanceConfig> = {},
): Verifier {
  const { single, acc } = parseConfig(
    "createThresholdAcceptance",
    thresholdAcceptanceConfig,
    config,
  );
  return {
    name: "threshold-acceptance",
    lossless: false,
    verify: (tree, target, position, key) =>
      topDown(tree, target, position, key, () => {
        // u acc is at least `seen`, as the children so far were not accepted.
        let seen = 0;
        return (rest, node, accept) => {
          const token = tree.tokens[node];
          const probability = remainingProbability(rest, token) * rest.mass;
          const reached = Math.min(acc, seen + probability);
          if (probability >= single || accept.bernoulli((reached - seen) / (acc - seen))) {
            return null;
          }
          seen = reached;
          return removeLaw(rest, { ids: Int32Array.of(token), probs: Float32Array.of(1) }, 1);
        };
      }),
  };
}
