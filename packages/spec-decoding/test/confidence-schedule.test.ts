import { createRng } from "@veridraft/core-probs";
import { bestThreshold, createDraftModel, createSchedule } from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { ask, observeChain } from "./support.ts";
import { toyDraft } from "./toy3.ts";

describe("the schedule confidence", () => {
  test("the threshold of least cost, worked by hand", () => {
    const judged = [
      [0.9, true],
      [0.8, true],
      [0.7, false],
      [0.6, true],
      [0.3, false],
    ].map(([confidence, matched]) => ({
      confidence: Number(confidence),
      matched: Boolean(matched),
    }));
    // Mismatches that pass + 3 x matches that do not: .9: 0 + 2, .8: 0 + 1, .7: 1/2 + 1, .6: 1/2 + 0, .3: 1 + 0.
    expect(bestThreshold(judged, 0.4)).toBe(0.6);
    expect(bestThreshold(judged.slice(0, 2), 0.4)).toBe(0.4);
    expect(bestThreshold([], 0.4)).toBe(0.4);
  });

  test("starts where it is told and follows what is accepted", () => {
    const schedule = createSchedule({ schedule: "confidence", confidenceThreshold: 0.25 });
    expect(schedule.budget()).toBe(16);
    expect(schedule.confidenceThreshold()).toBe(0.25);
    for (let i = 0; i < 6; i++) observeChain(schedule, 1, i % 2, i % 2 === 1 ? 0.75 : 0.5);
    expect(schedule.confidenceThreshold()).toBe(0.75);
  });

  test("a draft model stops before the draw, from the second token on", async () => {
    // Largest probabilities: q() .5, q(0) .4, q(1) .6, q(2) .7.
    const drafter = await createDraftModel(toyDraft(), { sampling: { temperature: 1 } });
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const context = ask([3], 6, createRng(seed));
      // oxlint-disable-next-line no-await-in-loop -- one drafter answers one question at a time
      const free = await drafter.propose(context);
      // oxlint-disable-next-line no-await-in-loop -- as above
      const stopped = await drafter.propose({ ...context, confidenceThreshold: 0.45 });
      const zero = free.tokens.indexOf(0);
      const expected = zero < 0 ? 6 : zero + 1;
      expect([...stopped.tokens]).toEqual(Array.from(free.tokens.slice(0, expected)));
    }
    const greedy = await createDraftModel(toyDraft());
    // The likeliest tokens are 1, 0, 2, 1; after 0 the draft is sure by .4.
    const stopped = await greedy.propose({ ...ask([3], 6), confidenceThreshold: 0.45 });
    expect([...stopped.tokens]).toEqual([1, 0]);
    expect(stopped.confidences[0]).toBeCloseTo(0.5, 6);
  });
});
