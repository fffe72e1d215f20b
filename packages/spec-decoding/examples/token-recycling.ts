/** The target teaches a matrix what tends to follow what; from then on, trees of its own successors are drafted. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { AdjacencyMatrix, createTokenRecycling, generate } from "@veridraft/spec-decoding";

const size = 50;
const target = tableModel(
  Array.from({ length: size }, (_, token) =>
    Array.from(
      { length: size },
      (__, next) => 1 / (1 + ((next - 7 * token - 3 + 8 * size) % size) ** 2),
    ),
  ),
);
const matrix = new AdjacencyMatrix(size);
for (const run of ["cold", "warm"]) {
  const generation = generate(target, [1, 2, 3], {
    key: createRng(3),
    drafter: createTokenRecycling(matrix),
    sampling: { temperature: 1 },
    maxTokens: 100,
    numSpeculativeTokens: 16,
  });
  let next = await generation.next();
  while (!next.done) next = await generation.next();
  const { meanAcceptanceLength } = next.value.statistics;
  console.log(
    `${run} matrix: ${meanAcceptanceLength.toFixed(2)} tokens a forward, trees of up to 16 nodes`,
  );
}
// -> cold matrix: 2.02 tokens a forward, trees of up to 16 nodes
// -> warm matrix: 2.54 tokens a forward, trees of up to 16 nodes
