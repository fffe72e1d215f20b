import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs/errors";
import { type ByteSource, normalizeInPlace } from "./byte-source.ts";

/** Makes one law of several over the same symbols. */
export type MixLaws = (laws: readonly Float64Array[], weights: readonly number[]) => Float64Array;

/** sum_m weights[m] laws[m], normalized. */
export const arithmeticMean: MixLaws = (laws, weights) =>
  combine(laws, (symbol) => laws.reduce((sum, law, m) => sum + weights[m] * law[symbol], 0));

/** prod_m laws[m]^weights[m], normalized: 0 where a law of positive weight is 0. */
export const geometricMean: MixLaws = (laws, weights) =>
  combine(laws, (symbol) => laws.reduce((value, law, m) => value * law[symbol] ** weights[m], 1));

function combine(laws: readonly Float64Array[], value: (symbol: number) => number): Float64Array {
  return normalizeInPlace(
    "ensembleBytes",
    laws[0].map((_, symbol) => value(symbol)),
  );
}

/**
 * Models of any vocabularies as one source of bytes: each keeps its own place in the text, all take the same byte.
 *
 * @param weights Non-negative with sum 1. Default: equal.
 * @throws ShapeError where there are not as many weights as members; InvalidArgumentError for no members or other weights.
 */
export function ensembleBytes(
  members: readonly ByteSource[],
  mix: MixLaws = arithmeticMean,
  weights: readonly number[] = members.map(() => 1 / members.length),
): ByteSource {
  if (members.length === 0) {
    throw new InvalidArgumentError("ensembleBytes: needs at least 1 member, got 0");
  }
  if (weights.length !== members.length) {
    throw new ShapeError(`ensembleBytes: ${members.length} members but ${weights.length} weights`);
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!weights.every((weight) => weight >= 0) || !(Math.abs(total - 1) < 1e-9)) {
    throw new InvalidArgumentError(
      `ensembleBytes: weights must be >= 0 with sum 1, got ${weights.join(" ")}`,
    );
  }
  return {
    next: () =>
      mix(
        members.map((member) => member.next()),
        weights,
      ),
    async advance(byte) {
      await Promise.all(members.map((member) => member.advance(byte)));
    },
    dispose() {
      for (const member of members) member.dispose();
    },
  };
}
