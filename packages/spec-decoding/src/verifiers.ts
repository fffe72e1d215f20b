import { InvalidArgumentError } from "@veridraft/core-probs";
import { blockVerification } from "./block-verification.ts";
import { createLantern, type LanternSettings } from "./lantern.ts";
import { sampleAndMatch } from "./sample-and-match.ts";
import { specInfer } from "./spec-infer.ts";
import { speculativeSampling } from "./speculative-sampling.ts";
import { createThresholdAcceptance } from "./threshold-acceptance.ts";
import { traversalVerification } from "./traversal-verification.ts";
import { type DraftTree, isChain, isSampled } from "./tree.ts";
import { createTypicalAcceptance } from "./typical-acceptance.ts";
import type { Coupling, Verifier } from "./verifier.ts";
import { withoutReplacement } from "./without-replacement.ts";

/** Verifiers by the names users know them by; the last two are lossy and have their defaults. */
export const verifiers = {
  standard: speculativeSampling,
  specinfer: specInfer,
  withoutReplacement,
  match: sampleAndMatch,
  block: blockVerification,
  traversal: traversalVerification,
  typical: createTypicalAcceptance(),
  threshold: createThresholdAcceptance(),
} as const satisfies Record<string, Verifier>;
export type VerifierName = keyof typeof verifiers;

/**
 * The verifier of a name, "lantern" with its table included; undefined for no name.
 *
 * @throws InvalidArgumentError for "lantern" without a table, or with options out of range.
 */
export function createVerifier(
  name: VerifierName | "lantern" | undefined,
  lantern?: LanternSettings,
): Verifier | undefined {
  if (name !== "lantern") return name && verifiers[name];
  if (!lantern) throw new InvalidArgumentError(`verification: ${lanternNeedsTable}`);
  const { neighbors, ...config } = lantern;
  return createLantern(neighbors, config);
}

/** What is said of the name without the table. */
export const lanternNeedsTable =
  "lantern needs the neighbor table of a codebook; give lantern, with neighbors and one of delta and lambda";

/**
 * The verifier that a choice means; null leaves it to {@link verifierFor}.
 *
 * @throws InvalidArgumentError for an unknown name, or a verifier other than "match" with the seeded coupling, whose text it would change.
 */
export function resolveVerifier(
  choice: VerifierName | Verifier | undefined,
  coupling: Coupling,
): Verifier | null {
  if (choice === undefined) return null;
  const verifier = typeof choice === "string" ? verifiers[choice] : choice;
  if (!verifier) {
    throw new InvalidArgumentError(
      `generate: verifier must be one of ${Object.keys(verifiers).join(", ")}, got ${String(choice)}`,
    );
  }
  if (coupling === "seeded" && verifier !== sampleAndMatch) {
    throw new InvalidArgumentError(
      `generate: verifier ${verifier.name} needs the coupling "optimal", got "seeded"`,
    );
  }
  return verifier;
}

/** The lossless verifier that keeps most of a tree; with the seeded coupling, the one whose text depends on the seed only. */
export function verifierFor(tree: DraftTree, coupling: Coupling): Verifier {
  if (coupling === "seeded" || !isSampled(tree)) return sampleAndMatch;
  return isChain(tree) ? blockVerification : traversalVerification;
}
