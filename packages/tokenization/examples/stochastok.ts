/** Training data whose tokens are split here and there: the text is the same, masks follow. */
import { createRng } from "@veridraft/core-probs";
import { loadTokenizer } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { buildSplitTable, expandTokens } from "@veridraft/tokenization/systems";

const tokenizer = await loadTokenizer(smolLM2.path);
const table = buildSplitTable(tokenizer);
console.log(`${(table.pairs.length / 2 / tokenizer.vocabSize).toFixed(2)} splits a token`);

const ids = tokenizer.encode("How many letters r does the word strawberry have?");
const options = { p: 0.5 };
for (const epoch of [1, 2]) {
  const expanded = expandTokens(ids, table, options, createRng(3).at(epoch, "sample"));
  console.log([...expanded.ids].map(tokenizer.piece).join("|"));
  if (tokenizer.decode(expanded.ids) !== tokenizer.decode(ids)) console.log("another text");
}
// -> 2.19 splits a token
// -> How| ma|ny| letters| r| do|e|s| the| word| straw|berry| have|?
// -> How| many| letter|s| r| do|es| th|e| word| strawberry| h|a|ve|?
