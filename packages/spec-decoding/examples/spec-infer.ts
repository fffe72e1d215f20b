/** Several guesses for one token: the more siblings are drawn, the more often one is kept, and the token always has the target's law. */
import { type Distribution, sample } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import { type DraftTree, specInfer } from "@veridraft/spec-decoding";

const p: Distribution = { ids: null, probs: Float32Array.of(0.5, 0.3, 0.2) };
const q: Distribution = { ids: null, probs: Float32Array.of(0.2, 0.5, 0.3) };

for (const siblings of [1, 2, 3]) {
  const law = await exactLaw((key) => {
    const rng = key.at(0, "draft");
    const tree: DraftTree = {
      tokens: Int32Array.from({ length: siblings }, () => sample(q, rng)),
      parents: new Int32Array(siblings).fill(-1),
      laws: Array.from({ length: siblings }, () => q),
      confidences: new Float32Array(siblings).fill(1),
    };
    const { path, next } = specInfer.verify(tree, () => p, 0, key);
    return path.length > 0 ? `draft ${tree.tokens[path[0]]}` : `other ${next}`;
  });
  const mass = (token: number, from = ["draft", "other"]) =>
    from.reduce((sum, kind) => sum + (law.get(`${kind} ${token}`) ?? 0), 0);
  const kept = [0, 1, 2].reduce((sum, token) => sum + mass(token, ["draft"]), 0);
  const masses = [0, 1, 2].map((token) => mass(token).toFixed(3)).join(" ");
  console.log(`${siblings} drawn: one is kept with probability ${kept.toFixed(3)}; law ${masses}`);
}
// -> 1 drawn: one is kept with probability 0.700; law 0.500 0.300 0.200
// -> 2 drawn: one is kept with probability 0.760; law 0.500 0.300 0.200
// -> 3 drawn: one is kept with probability 0.808; law 0.500 0.300 0.200
