/** As many forwards of the draft, more guesses for each place: trees keep more than a chain of the same depth. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createDraftModelTree, generate } from "@veridraft/spec-decoding";

const size = 30;
const rows = (noise: number): number[][] => {
  const rng = createRng(5).at(0, "draft");
  return Array.from({ length: size }, () =>
    Array.from({ length: size }, () =>
      Math.exp(3 * rng.uniform() + noise * Math.sin(1000 * rng.uniform())),
    ),
  );
};
const target = tableModel(rows(2));
const draft = tableModel(rows(0.4));
const sampling = { temperature: 0.7 };

for (const widths of [
  [1, 1, 1],
  [4, 2, 1],
]) {
  for (const siblings of ["likeliest", "independent", "withoutReplacement"] as const) {
    const drafter = await createDraftModelTree(draft, {
      sampling,
      coupling: "optimal",
      widths,
      siblings,
    });
    const generation = generate(target, [0], {
      key: createRng(1),
      drafter,
      sampling,
      coupling: "optimal",
      maxTokens: 2000,
      numSpeculativeTokens: 20,
    });
    let next = await generation.next();
    while (!next.done) next = await generation.next();
    const { meanAcceptanceLength } = next.value.statistics;
    console.log(
      `${widths.join(" x ")}, ${siblings}: ${meanAcceptanceLength.toFixed(2)} tokens a forward`,
    );
  }
}
// -> 1 x 1 x 1, likeliest: 1.32 tokens a forward
// -> 1 x 1 x 1, independent: 2.30 tokens a forward
// -> 1 x 1 x 1, withoutReplacement: 2.30 tokens a forward
// -> 4 x 2 x 1, likeliest: 1.90 tokens a forward
// -> 4 x 2 x 1, independent: 3.00 tokens a forward
// -> 4 x 2 x 1, withoutReplacement: 3.09 tokens a forward
