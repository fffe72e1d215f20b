/** The embedded model with the head that was trained for it: the text is that of plain decoding, in fewer forwards. */
import { createRng } from "@veridraft/core-probs";
import { loadDraftHead, loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { createDraftHead, generateText } from "@veridraft/spec-decoding";

const target = await loadModel(smolLM2.path);
const head = await loadDraftHead(smolLM2.draftHead, smolLM2.path);

for (const drafter of [null, createDraftHead(head)]) {
  const steps = generateText(target, [{ role: "user", content: "What is gravity?" }], {
    key: createRng(1),
    maxTokens: 64,
    drafter,
    numSpeculativeTokens: 1,
  });
  let next = await steps.next();
  while (!next.done) next = await steps.next();
  const { ids, statistics } = next.value;
  const fewer =
    statistics.rounds < 0.9 * ids.length ? "fewer forwards than tokens" : "a forward each";
  console.log(`${statistics.drafter}: ${ids.length} tokens, ${fewer}`);
}
await head.dispose();
await target.model.dispose();
// -> none: 64 tokens, a forward each
// -> head: 64 tokens, fewer forwards than tokens
