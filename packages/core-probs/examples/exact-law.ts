/** The law of a sampler, without sampling: one step of speculative decoding emits exactly the target's law. */
import { exactLaw } from "@veridraft/core-probs/testing";

const p = [0.5, 0.3, 0.2];
const q = [0.2, 0.5, 0.3];

const law = await exactLaw((key) => {
  const token = key.at(0, "draft").categorical(q);
  if (key.at(0, "accept").bernoulli(p[token] / q[token])) return token;
  return key.at(0, "sample").categorical(p.map((mass, id) => Math.max(0, mass - q[id])));
});
for (const [token, probability] of [...law].toSorted()) {
  console.log(`token ${token}: ${probability.toFixed(12)}`);
}
// -> token 0: 0.500000000000
// -> token 1: 0.300000000000
// -> token 2: 0.200000000000
