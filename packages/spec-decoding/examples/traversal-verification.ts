/** One tree of drawn tokens, tested from the root down and from the leaves up: traversal keeps more of it. */
import { type Distribution, sample } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  type DraftTree,
  specInfer,
  traversalVerification,
  type Verifier,
} from "@veridraft/spec-decoding";

const law = (...probs: number[]): Distribution => ({ ids: null, probs: Float32Array.from(probs) });
// Laws after tokens 0, 1, 2; the last one is that of the first token.
const p = [law(0.1, 0.6, 0.3), law(0.4, 0.4, 0.2), law(0.25, 0.25, 0.5), law(0.5, 0.3, 0.2)];
const q = [law(0.3, 0.3, 0.4), law(0.6, 0.2, 0.2), law(0.1, 0.7, 0.2), law(0.2, 0.5, 0.3)];
const parents = [-1, -1, 0, 1]; // two guesses, and one more after each

async function tokensOf(verifier: Verifier): Promise<number> {
  const lengths = await exactLaw((key) => {
    const rng = key.at(0, "draft");
    const tokens: number[] = [];
    const laws = parents.map((parent) => {
      const drawnFrom = q[parent < 0 ? 3 : tokens[parent]];
      tokens.push(sample(drawnFrom, rng));
      return drawnFrom;
    });
    const tree: DraftTree = {
      tokens: Int32Array.from(tokens),
      parents: Int32Array.from(parents),
      laws,
      confidences: Float32Array.from(tokens, () => 1),
    };
    const target = (node: number): Distribution => p[node < 0 ? 3 : tokens[node]];
    return 1 + verifier.verify(tree, target, 0, key).path.length;
  });
  let mean = 0;
  for (const [length, mass] of lengths) mean += Number(length) * mass;
  return mean;
}

console.log(`from the root down: ${(await tokensOf(specInfer)).toFixed(3)} tokens`);
console.log(`from the leaves up: ${(await tokensOf(traversalVerification)).toFixed(3)} tokens`);
// -> from the root down: 2.292 tokens
// -> from the leaves up: 2.362 tokens
