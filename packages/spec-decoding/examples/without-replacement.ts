/** A draft that is too sure of itself: different siblings reach what independent ones never draw. */
import { type Distribution, sample } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  sampleWithoutReplacement,
  specInfer,
  type Verifier,
  withoutReplacement,
} from "@veridraft/spec-decoding";

const p: Distribution = { ids: null, probs: Float32Array.of(0.5, 0.3, 0.2) };
const q: Distribution = { ids: null, probs: Float32Array.of(0.9, 0.1, 0) };

async function acceptance(verifier: Verifier, siblings: number): Promise<string> {
  const law = await exactLaw((key) => {
    const rng = key.at(0, "draft");
    const { tokens, laws } =
      verifier === withoutReplacement
        ? sampleWithoutReplacement(q, siblings, 3, rng)
        : {
            tokens: Array.from({ length: siblings }, () => sample(q, rng)),
            laws: Array.from({ length: siblings }, () => q),
          };
    const tree = {
      tokens: Int32Array.from(tokens),
      parents: Int32Array.from(tokens, () => -1),
      laws,
      confidences: Float32Array.from(tokens, () => 1),
    };
    return verifier.verify(tree, () => p, 0, key).path.length;
  });
  return (law.get("1") ?? 0).toFixed(3);
}

for (const siblings of [1, 2, 3]) {
  const independent = await acceptance(specInfer, siblings);
  const different = await acceptance(withoutReplacement, siblings);
  console.log(`${siblings} siblings: independent ${independent}, without replacement ${different}`);
}
// -> 1 siblings: independent 0.600, without replacement 0.600
// -> 2 siblings: independent 0.640, without replacement 0.800
// -> 3 siblings: independent 0.676, without replacement 1.000
