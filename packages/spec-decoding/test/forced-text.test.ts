import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createForcedText } from "@veridraft/spec-decoding";
import { expect, test } from "vitest";
import { ask, finish, randomRows } from "./support.ts";

test("drafts what the hook says, with confidence 1, cut to the budget", async () => {
  const asked: number[][] = [];
  const drafter = createForcedText((ids, budget) => {
    asked.push([...Array.from(ids), budget]);
    return [7, 8, 9];
  });
  const tree = await drafter.propose(ask([3, 4], 2));
  expect(asked).toEqual([[3, 4, 2]]);
  expect([...tree.tokens]).toEqual([7, 8]);
  expect([...tree.confidences]).toEqual([1, 1]);
  expect(tree.laws).toEqual([null, null]);
  expect((await createForcedText(() => []).propose(ask([3], 2))).tokens).toHaveLength(0);
});

const target = tableModel(randomRows(8, 1));
const common = { maxTokens: 30, sampling: { temperature: 1 } };

test("a hook that is wrong changes no token", async () => {
  const plain = await finish(target, [1], { ...common, key: createRng(1) });
  const drafter = createForcedText((ids) => [ids.length % 8, 3]);
  const drafted = await finish(target, [1], { ...common, key: createRng(1), drafter });
  expect(drafted.summary.ids).toEqual(plain.summary.ids);
  expect(drafted.summary.statistics.proposed).toBeGreaterThan(0);
});

test("a hook that throws is a failed draft with its error", async () => {
  const drafter = createForcedText(() => {
    throw new Error("no state");
  });
  const { summary } = await finish(target, [1], { ...common, key: createRng(1), drafter });
  expect(summary.statistics.undraftedRounds).toBe(summary.statistics.rounds - 1);
  expect(String(summary.statistics.lastDraftError)).toBe("Error: no state");
});
