import { createRng, scoreTokens } from "@veridraft/core-probs";
import { loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { buildSplitTable, expandTokens } from "@veridraft/tokenization/systems";
import { expect, test } from "vitest";

test("a model that was trained on one encoding finds split texts unlikely, the more so the more is split", async () => {
  const { model, tokenizer } = await loadModel(smolLM2.path);
  const [start] = tokenizer.endIds;
  const table = buildSplitTable(tokenizer);
  expect(table.pairs.length / 2).toBeGreaterThan(2 * tokenizer.vocabSize);
  const text =
    "The morning was cold and bright. She walked along the river until she reached the old stone bridge, where her brother was waiting with two horses.";
  const ids = tokenizer.encode(text);
  const bits: number[] = [];
  for (const p of [0, 0.1, 0.5]) {
    const expanded = expandTokens(ids, table, { p }, createRng(1).at(0, "sample"));
    // oxlint-disable-next-line no-await-in-loop -- one text after the other
    const scores = await scoreTokens(model, [start, ...expanded.ids]);
    bits.push(-scores.reduce((a, b) => a + b) / Math.LN2 / text.length);
  }
  await model.dispose();
  const [whole, tenth, half] = bits;
  expect(tenth).toBeGreaterThan(1.1 * whole);
  expect(half).toBeGreaterThan(1.5 * tenth);
});
