/** Codes that look alike vouch for each other: more drafts are kept, and the law moves by a distance that can be counted. */
import { type Distribution, sample, totalVariation } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import { buildNeighbors, chain, createLantern } from "@veridraft/spec-decoding";

const neighbors = buildNeighbors(Float32Array.of(0, 1, 2.5, 10, 11.5), 5, 1, 2);
const p: Distribution = { ids: null, probs: Float32Array.of(0.1, 0.15, 0.25, 0.3, 0.2) };
const q: Distribution = { ids: null, probs: Float32Array.of(0.4, 0.1, 0.1, 0.1, 0.3) };

for (const relaxation of [{ delta: 0 }, { delta: 0.2 }, { lambda: 3 }, { delta: 0.4 }]) {
  const verifier = createLantern(neighbors, relaxation);
  const law = new Float64Array(5);
  let kept = 0;
  const outcomes = await exactLaw((key) => {
    const token = sample(q, key.at(0, "draft"));
    const { path, next } = verifier.verify(chain([token], [1], [q]), () => p, 0, key);
    return [path.length, path.length > 0 ? token : next];
  });
  for (const [outcome, mass] of outcomes) {
    const [length, token] = outcome.split(",").map(Number);
    kept += length * mass;
    law[token] += mass;
  }
  const distance = totalVariation(law, p.probs).toFixed(2);
  console.log(`${JSON.stringify(relaxation)}: kept ${kept.toFixed(2)}, distance ${distance}`);
}
// -> {"delta":0}: kept 0.60, distance 0.00
// -> {"delta":0.2}: kept 0.75, distance 0.15
// -> {"lambda":3}: kept 0.85, distance 0.25
// -> {"delta":0.4}: kept 1.00, distance 0.40
