/** A token need not be drawn to be kept, only be likely enough: more tokens a forward, and another law. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createDraftModel, createTypicalAcceptance, generate } from "@veridraft/spec-decoding";

const target = tableModel([
  [0.1, 0.6, 0.3],
  [0.4, 0.4, 0.2],
  [0.25, 0.25, 0.5],
]);
const draft = tableModel([
  [0.3, 0.3, 0.4],
  [0.6, 0.2, 0.2],
  [0.1, 0.7, 0.2],
]);
const sampling = { temperature: 1 };

for (const epsilon of [0.09, 0.5]) {
  const drafter = await createDraftModel(draft, { sampling, coupling: "optimal" });
  const verifier = createTypicalAcceptance({ epsilon, delta: 1 });
  const options = { key: createRng(1), drafter, sampling, maxTokens: 2000 };
  const generation = generate(target, [0], { ...options, coupling: "optimal", verifier });
  let next = await generation.next();
  while (!next.done) next = await generation.next();
  const { meanAcceptanceLength, lossless } = next.value.statistics;
  console.log(
    `epsilon ${epsilon}: ${meanAcceptanceLength.toFixed(2)} tokens a forward, lossless: ${lossless}`,
  );
}
// -> epsilon 0.09: 5.00 tokens a forward, lossless: false
// -> epsilon 0.5: 2.27 tokens a forward, lossless: false
