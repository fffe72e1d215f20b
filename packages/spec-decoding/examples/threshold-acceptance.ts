/** What the two thresholds trade: a draft that is kept more often, and a law that leans toward it. */
import type { Distribution } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import { chain, createThresholdAcceptance } from "@veridraft/spec-decoding";

const p: Distribution = { ids: null, probs: Float32Array.of(0.5, 0.25, 0.25) };
const tree = chain([1], [1]);

for (const thresholds of [{}, { acc: 0.5 }, { single: 0.25 }]) {
  const verifier = createThresholdAcceptance(thresholds);
  const law = await exactLaw((key) => {
    const { path, next } = verifier.verify(tree, () => p, 0, key);
    return path.length > 0 ? 1 : next;
  });
  const masses = ["0", "1", "2"].map((token) => (law.get(token) ?? 0).toFixed(3));
  console.log(`${JSON.stringify(thresholds)}: law ${masses.join(" ")}`);
}
// -> {}: law 0.500 0.250 0.250
// -> {"acc":0.5}: law 0.333 0.500 0.167
// -> {"single":0.25}: law 0.000 1.000 0.000
