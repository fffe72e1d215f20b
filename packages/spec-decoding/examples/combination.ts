/** Merged, two drafters are at least as good as the better of them, which need not be known beforehand. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import {
  AdjacencyMatrix,
  createCombination,
  createSuffixDrafter,
  createTokenRecycling,
  type Drafter,
  generate,
} from "@veridraft/spec-decoding";

const size = 40;
const target = tableModel(
  Array.from({ length: size }, (_, token) =>
    Array.from({ length: size }, (__, next) => 1 / (1 + ((next + size - token) % size) ** 3)),
  ),
);
const recycling = (): Drafter => createTokenRecycling(new AdjacencyMatrix(size));

async function run(drafter: Drafter): Promise<void> {
  const generation = generate(target, [0, 1, 2], {
    key: createRng(3),
    drafter,
    sampling: { temperature: 1 },
    maxTokens: 400,
    numSpeculativeTokens: 8,
  });
  let next = await generation.next();
  while (!next.done) next = await generation.next();
  const { drafter: name, meanAcceptanceLength } = next.value.statistics;
  console.log(`${name}: ${meanAcceptanceLength.toFixed(2)} tokens a forward`);
}

await run(createSuffixDrafter());
await run(recycling());
await run(createCombination([createSuffixDrafter(), recycling()]));
// -> suffix-automaton: 1.68 tokens a forward
// -> token-recycling: 2.75 tokens a forward
// -> suffix-automaton+token-recycling: 2.77 tokens a forward
