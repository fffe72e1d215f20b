import { scoreTokens } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { expect, test } from "vitest";

// TOY3 of the speculative decoding baselines.
const model = tableModel([
  [0.1, 0.6, 0.3],
  [0.4, 0.4, 0.2],
  [0.25, 0.25, 0.5],
]);

test.each([1, 2, 64])("log-probs of a text, chunks of %i", async (chunk) => {
  const logProbs = await scoreTokens(model, [0, 1, 1, 2, 0], { chunk });
  const expected = [0.6, 0.4, 0.2, 0.25].map(Math.log);
  expect(logProbs).toHaveLength(4);
  expected.forEach((value, i) => expect(logProbs[i]).toBeCloseTo(value, 6));
});

test("a text as long as the context and one token more", async () => {
  const small = tableModel([[1]], { contextLength: 3 });
  expect([...(await scoreTokens(small, [0, 0, 0, 0]))]).toEqual([0, 0, 0]);
  await expect(scoreTokens(small, [0, 0, 0, 0, 0])).rejects.toThrow(
    "5 ids do not fit a context of 3",
  );
});

test("errors", async () => {
  await expect(scoreTokens(model, [0])).rejects.toThrow("scoreTokens: needs at least 2 ids, got 1");
  await expect(scoreTokens(model, [0, 7])).rejects.toThrow("id must be in [0, 3), got 7");
  await expect(scoreTokens(model, [0, 1], { chunk: 0 })).rejects.toThrow(
    "chunk must be an integer",
  );
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(scoreTokens(model, [0, 1], { signal })).rejects.toThrow("enough");
});
