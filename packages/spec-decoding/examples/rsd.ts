/** The teacher proposes, the student decides: a text near the teacher's that holds little the student finds impossible. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createLawModel, rsdTrace, surpriseOf } from "@veridraft/spec-decoding";

const size = 30;
const rows = (seed: number): number[][] => {
  const rng = createRng(seed).at(0, "draft");
  return Array.from({ length: size }, () =>
    Array.from({ length: size }, () => Math.exp(6 * rng.uniform())),
  );
};
const teacher = tableModel(rows(1));
const student = tableModel(rows(2));
const common = { key: createRng(1), sampling: { temperature: 1 }, maxTokens: 1000, topK: size };

for (const [name, threshold] of Object.entries({ teacher: 0, RSD: 0.01 })) {
  const trace = await rsdTrace(createLawModel(teacher), createLawModel(student), [0], {
    ...common,
    threshold,
  });
  const { share, meanSurprisal } = await surpriseOf(student, [0], trace.ids);
  console.log(
    `${name}: ${(100 * share).toFixed(1)} % of tokens below 1 %, surprise ${meanSurprisal.toFixed(2)}, ` +
      `${(100 * trace.fallbackRate).toFixed(1)} % fell back`,
  );
}
// -> teacher: 44.1 % of tokens below 1 %, surprise 4.46, 0.0 % fell back
// -> RSD: 0.1 % of tokens below 1 %, surprise 3.13, 2.3 % fell back
