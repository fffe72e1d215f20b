/** A text that can be copied in its second half: the heuristic schedule drafts little where drafts fail and much where they hold. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createDraftModel, generate } from "@veridraft/spec-decoding";

const size = 40;
/** Below 20 the draft goes on otherwise than the target; from 20 on they agree. */
const after = (next: (token: number) => number) =>
  tableModel(
    Array.from({ length: size }, (_, i) =>
      Array.from({ length: size }, (__, j) => Number(j === next(i))),
    ),
  );
const target = after((i) => Math.min(i + 1, size - 1));
const draft = after((i) => (i < 20 ? 0 : Math.min(i + 1, size - 1)));

for (const schedule of ["constant", "heuristic"] as const) {
  const steps = generate(target, [0], {
    key: createRng(1),
    drafter: await createDraftModel(draft),
    schedule,
    numSpeculativeTokens: 5,
    maxTokens: 39,
  });
  const proposed: number[] = [];
  for await (const step of steps) proposed.push(step.proposed);
  console.log(`${schedule}: ${proposed.slice(1).join(" ")}`);
}
// -> constant: 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 0
// -> heuristic: 5 4 3 2 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 3 5 6
