/** One prompt, two continuations: a fork shares the rows of the prompt, which are computed once. */
import { argmax, row } from "@veridraft/core-probs";
import { loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";

const { model, tokenizer } = await loadModel(smolLM2.path);
const prompt = await model.open();
const ids = tokenizer.encode("I know my capitals. The capital of");
await prompt.forward(ids, { rows: "last" });
prompt.commit(ids.length);

for (const country of [" France is", " Italy is"]) {
  const sequence = prompt.fork();
  const logits = await sequence.forward(tokenizer.encode(country), { rows: "last" });
  console.log(`${country}${tokenizer.piece(argmax(row(logits, 0)))}`);
  sequence.dispose();
}
await model.dispose();
// ->  France is Paris
// ->  Italy is Rome
