import { attention, constant, greater, jit, slice, type Tensor, where } from "@veridraft/autodiff";
import { type Transformer, transformRows } from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner, loadTokenizer, readTransformer } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { type HistoryMask, setMask, setPositions } from "@veridraft/tokenization/setrec";
import { expect, test } from "vitest";

test("a real language model does not see the order of an item's tokens, unless it is causal", async () => {
  const { config, params } = await readTransformer(smolLM2.path);
  const tokenizer = await loadTokenizer(smolLM2.path);
  const { width } = config;
  const table = params.embedding.data as Float32Array;
  const rowsOf = (ids: Int32Array): number[] =>
    Array.from(ids).flatMap((id) => Array.from(table.subarray(id * width, (id + 1) * width)));
  const before = tokenizer.encode("What would the user be likely to purchase next after buying");
  const after = tokenizer.encode("?;");
  const layout = {
    before: before.length,
    items: 3,
    itemTokens: 3,
    after: after.length,
    queries: 3,
  };
  const sets = tokenizer.encode(" red shirt cotton green trousers wool blue jacket silk");
  expect(sets).toHaveLength(9);
  const turned = sets.slice();
  for (let item = 0; item < 3; item++) turned.subarray(3 * item, 3 * item + 3).reverse();
  const rng = createRng(1).at(0, "sample");
  const queries = Array.from({ length: 3 * width }, () => 0.1 * (rng.uniform() - 0.5));
  const positions = setPositions(layout);
  const rows = positions.length;

  const run = jit(
    createGraphRunner({ threads: 1 }),
    (
      { blocks, norm }: Pick<Transformer<Tensor>, "blocks" | "norm">,
      x: Tensor,
      visible: Tensor,
    ) => {
      const bias = where(greater(visible, 0), 0, -Infinity);
      const hidden = transformRows({ blocks, norm }, x, config, {
        positions: constant(positions),
        attend: (q, k, v) => attention(q, k, v, { bias }),
      });
      return slice(hidden, 1, rows - 3);
    },
  );
  const outputs = async (ids: Int32Array, historyMask: HistoryMask): Promise<Float32Array> => {
    const x = Float32Array.from([...rowsOf(before), ...rowsOf(ids), ...rowsOf(after), ...queries]);
    const { data } = await run(
      { blocks: params.blocks, norm: params.norm },
      { data: x, shape: [1, rows, width] },
      { data: Float32Array.from(setMask(layout, historyMask)), shape: [rows, rows] },
    );
    return data as Float32Array;
  };
  const change = async (historyMask: HistoryMask): Promise<number> => {
    const [a, b] = [await outputs(sets, historyMask), await outputs(turned, historyMask)];
    const length = Math.hypot(...a);
    return Math.hypot(...a.map((value, i) => value - b[i])) / length;
  };
  expect(await change("sparse")).toBeLessThan(1e-4);
  expect(await change("causal")).toBeGreaterThan(0.01);
  await run.dispose();
});
