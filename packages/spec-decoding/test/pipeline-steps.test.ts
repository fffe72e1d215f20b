import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import {
  createDraftEnd,
  createDraftModel,
  createTargetEnd,
  pearl,
  type PipelineRound,
  pipelineSteps,
  type Step,
} from "@veridraft/spec-decoding";
import { expect, test } from "vitest";

/** After token i comes i + 1, of eight. */
const ring = tableModel(
  Array.from({ length: 8 }, (_, i) =>
    Array.from({ length: 8 }, (__, j) => Number(j === (i + 1) % 8)),
  ),
);

async function stepsOf(rounds: AsyncGenerator<PipelineRound, readonly number[], void>) {
  const generation = pipelineSteps(rounds, () => "ring");
  const steps: Step[] = [];
  for (;;) {
    const { done, value } = await generation.next();
    if (done) return { steps, summary: value };
    steps.push(value);
  }
}

async function run(maxTokens: number, stopIds: readonly number[]) {
  const key = createRng(1);
  const draft = createDraftEnd(() => createDraftModel(ring), key);
  const options = { key, contextLength: 64, draftTokens: 2, maxTokens, stopIds };
  return stepsOf(pearl(draft, await createTargetEnd(ring), [0], options));
}

test("rounds are steps, and their sums the statistics", async () => {
  const { steps, summary } = await run(6, []);
  expect(steps.flatMap(({ ids }) => ids)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(summary).toMatchObject({ finishReason: "length", stopId: null, ids: [1, 2, 3, 4, 5, 6] });
  const { rounds, accepted, acceptedAt } = summary.statistics;
  // The first draft alone is tested beside the prompt, then two at a time.
  expect(summary.statistics).toMatchObject({
    drafter: "ring",
    lossless: true,
    rounds: 4,
    proposed: 6,
    evaluated: 6,
    accepted: 6,
    acceptanceRate: 1,
    meanAcceptanceLength: 2.5,
  });
  expect(acceptedAt.reduce((sum, count) => sum + count)).toBe(accepted);
  expect(acceptedAt[0]).toBe(rounds);
});

test("a stop id ends the text and is no part of it", async () => {
  const { steps, summary } = await run(20, [4]);
  expect(summary).toMatchObject({ finishReason: "stop", stopId: 4, ids: [1, 2, 3] });
  expect(steps.flatMap(({ ids }) => ids)).toEqual([1, 2, 3]);
});

test("whoever stops reading frees what the pipeline holds", async () => {
  let freed = 0;
  const target = await createTargetEnd(ring);
  const key = createRng(1);
  const counted = {
    ...target,
    dispose: async () => {
      freed++;
      await target.dispose();
    },
  };
  const draft = createDraftEnd(() => createDraftModel(ring), key);
  const rounds = pearl(draft, counted, [0], { key, contextLength: 64 });
  for await (const step of pipelineSteps(rounds, () => "ring")) {
    expect(step.ids.length).toBeGreaterThan(0);
    break;
  }
  expect(freed).toBe(1);
});
