/** Two models that are alike draw the same token from the same noise more often than two independent draws would agree. */
import {
  createRng,
  processLogits,
  resolveSampling,
  sample,
  sampleGumbel,
} from "@veridraft/core-probs";

const sampling = resolveSampling({ temperature: 0.8, topP: 0.95 });
const target = processLogits(Float32Array.of(2, 1.5, 0.5, -1), sampling, []);
const draft = processLogits(Float32Array.of(1.8, 1.6, 0.2, -0.5), sampling, []);

const key = createRng(1);
const positions = 10_000;
let independent = 0;
let coupled = 0;
for (let position = 0; position < positions; position++) {
  const noise = key.at(position, "sample");
  if (sample(target, noise) === sample(draft, key.at(position, "draft"))) independent++;
  if (sampleGumbel(target, noise) === sampleGumbel(draft, noise)) coupled++;
}
console.log(`independent draws agree ${(100 * independent) / positions} % of the time`);
console.log(`draws with the same noise agree ${(100 * coupled) / positions} % of the time`);
// -> independent draws agree 44.51 % of the time
// -> draws with the same noise agree 90.58 % of the time
