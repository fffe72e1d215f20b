/** Draft and target at work at the same time: what it would win on two machines, and that the text stays that of plain decoding. */
import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import {
  createDraftEnd,
  createDraftModel,
  createTargetEnd,
  generate,
  pearl,
  simulateDsi,
  simulatePearl,
} from "@veridraft/spec-decoding";

const times = { draftTokens: 5, draftMs: 10, targetMs: 50 };
for (const acceptance of [0.6, 0.9]) {
  const coins = createRng(1).at(0, "accept");
  const speedup = (simulate: typeof simulatePearl): string => {
    const { tokens, ms } = simulate(() => coins.bernoulli(acceptance), 10_000, times);
    return ((tokens * times.targetMs) / ms).toFixed(2);
  };
  console.log(
    `acceptance ${acceptance}: PEARL ${speedup(simulatePearl)}, DSI ${speedup(simulateDsi)} times plain decoding`,
  );
}

const model = tableModel([
  [0.1, 0.8, 0.1],
  [0.2, 0.2, 0.6],
  [0.7, 0.2, 0.1],
]);
const options = { key: createRng(7), sampling: { temperature: 1 }, maxTokens: 12 };
const plain: number[] = [];
for await (const step of generate(model, [0], options)) plain.push(...step.ids);

const { key, sampling, maxTokens } = options;
const draft = createDraftEnd((last) => last ?? createDraftModel(model, { sampling }), key);
const target = await createTargetEnd(model, sampling);
const { contextLength } = model;
const piped: number[] = [];
for await (const round of pearl(draft, target, [0], { key, contextLength, maxTokens })) {
  piped.push(...round.ids);
}
console.log(`plain ${plain.join("")}, PEARL ${piped.join("")}`);
// -> acceptance 0.6: PEARL 1.48, DSI 1.50 times plain decoding
// -> acceptance 0.9: PEARL 2.95, DSI 2.96 times plain decoding
// -> plain 102121201010, PEARL 102121201010
