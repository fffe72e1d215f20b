/** A draft model proposes, rejection sampling keeps: fewer forwards of the target, and exactly its law. */
import { createRng } from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import { createDraftModel, generate } from "@veridraft/spec-decoding";

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

async function run(key: ReturnType<typeof createRng>, maxTokens: number) {
  const drafter = await createDraftModel(draft, { sampling, coupling: "optimal" });
  const generation = generate(target, [0], {
    key,
    drafter,
    sampling,
    coupling: "optimal",
    verifier: "standard",
    maxTokens,
  });
  let next = await generation.next();
  while (!next.done) next = await generation.next();
  return next.value;
}

const { statistics } = await run(createRng(1), 2000);
console.log(`${statistics.meanAcceptanceLength.toFixed(2)} tokens a forward`);

// Three tokens, drafted and verified, over all outcomes of all draws: the second and third follow the table.
const law = await exactLaw(async (key) => (await run(key, 3)).ids);
const expected = 0.6 * 0.4 * 0.2;
console.log(`P(1, 1, 2) = ${law.get("1,1,2")?.toFixed(9)}, by the table ${expected.toFixed(9)}`);
// -> 2.76 tokens a forward
// -> P(1, 1, 2) = 0.047999999, by the table 0.048000000
