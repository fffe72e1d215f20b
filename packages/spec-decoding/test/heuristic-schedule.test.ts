import { createSchedule, emptyTree } from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { observeChain } from "./support.ts";

describe("the schedule heuristic", () => {
  test("5 -> 7 -> 6, as in the baselines", () => {
    const schedule = createSchedule({ schedule: "heuristic" });
    expect(schedule.budget()).toBe(5);
    observeChain(schedule, 5, 5);
    expect(schedule.budget()).toBe(7);
    observeChain(schedule, 7, 6);
    expect(schedule.budget()).toBe(6);
  });

  test("from 1 to maxTreeNodes; a round without a draft changes nothing", () => {
    const schedule = createSchedule({
      schedule: "heuristic",
      numSpeculativeTokens: 2,
      maxTreeNodes: 3,
    });
    observeChain(schedule, 2, 2);
    observeChain(schedule, 3, 3);
    expect(schedule.budget()).toBe(3);
    for (let i = 0; i < 9; i++) observeChain(schedule, 3, 0);
    expect(schedule.budget()).toBe(1);
    schedule.observe({ tree: emptyTree, path: [], drafted: 0, draftMs: 0 });
    expect(schedule.budget()).toBe(1);
  });
});
