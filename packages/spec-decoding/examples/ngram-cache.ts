/** A law counted from the text itself: drafts are drawn from it and kept by rejection sampling, and it gets better as the text grows. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createNgramCache, generate, NgramCounts } from "@veridraft/spec-decoding";

const size = 20;
const target = tableModel(
  Array.from({ length: size }, (_, token) =>
    Array.from({ length: size }, (__, next) => 1 / (1 + ((next + size - token) % size) ** 2)),
  ),
);
const sampling = { temperature: 1 };
const coupling = "optimal";
const counts = new NgramCounts();
for (const run of ["first", "second", "third"]) {
  const generation = generate(target, [0], {
    key: createRng(3),
    drafter: createNgramCache(counts, { sampling, coupling }),
    sampling,
    coupling,
    maxTokens: 500,
  });
  let next = await generation.next();
  while (!next.done) next = await generation.next();
  const { meanAcceptanceLength } = next.value.statistics;
  console.log(
    `${run} text: ${meanAcceptanceLength.toFixed(2)} tokens a forward, ${counts.size} n-grams known`,
  );
}
// -> first text: 2.48 tokens a forward, 673 n-grams known
// -> second text: 3.02 tokens a forward, 1106 n-grams known
// -> third text: 3.20 tokens a forward, 1493 n-grams known
