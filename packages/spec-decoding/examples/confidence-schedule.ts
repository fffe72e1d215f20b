/** A draft that knows when it does not know: it stops there, and fewer drafts are wasted. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createDraftModel, generate } from "@veridraft/spec-decoding";

const size = 12;
/** After every third token the next one is anyone's guess; after the others it is all but certain. */
const model = (seed: number) => {
  const noise = createRng(seed).at(0, "draft");
  return tableModel(
    Array.from({ length: size }, (_, i) =>
      Array.from({ length: size }, (__, j) =>
        i % 3 === 0 ? 1 + noise.uniform() : j === (i + 1) % size ? 100 : 0.1,
      ),
    ),
  );
};

for (const schedule of ["constant", "confidence"] as const) {
  const steps = generate(model(1), [0], {
    key: createRng(3),
    drafter: await createDraftModel(model(2), { sampling: { temperature: 1 } }),
    sampling: { temperature: 1 },
    schedule,
    numSpeculativeTokens: 6,
    maxTokens: 400,
  });
  for (;;) {
    const { done, value } = await steps.next();
    if (!done) continue;
    const { rounds, proposed, accepted } = value.statistics;
    const kept = ((100 * accepted) / proposed).toFixed(0);
    console.log(`${schedule}: ${rounds} rounds, ${proposed} drafts, ${kept} % kept`);
    break;
  }
}
// -> constant: 65 rounds, 387 drafts, 86 % kept
// -> confidence: 113 rounds, 311 drafts, 92 % kept
