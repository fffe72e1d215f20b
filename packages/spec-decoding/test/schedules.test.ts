/** The named schedules, and that none may drop what was drawn. */
import { createRng, type RngKey } from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import {
  chain,
  chooseLength,
  createDraftModel,
  createSchedule,
  emptyTree,
  type Schedule,
  type ScheduleOptions,
  selectNodes,
  speculativeSampling,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { finish, randomRows } from "./support.ts";
import { toyDraft, toyTarget, twoTokenLaw } from "./toy3.ts";

const flat = [0, 1, 1, 1];
describe("goodput", () => {
  test.each([
    [0.7, 0.1, 4, 1.9808],
    [0.8, 0.05, 8, 3.0921],
    [0.5, 0.2, 2, 1.25],
  ])("(a, c) = (%f, %f): %i tokens, %f times plain decoding", (a, c, g, speedup) => {
    const rate = (length: number) => (1 - a ** (length + 1)) / (1 - a) / (length * c + 1);
    expect(rate(g)).toBeCloseTo(speedup, 4);
    expect(rate(chooseLength(a, c, flat, 16))).toBeCloseTo(rate(g), 9);
  });

  test("needs costs and no number", () => {
    expect(() => createSchedule({ schedule: "goodput" })).toThrow(
      "createSchedule: goodput chooses the number of tokens from costs; got no costs and numSpeculativeTokens undefined",
    );
    const both = { schedule: "goodput", costs: flat, numSpeculativeTokens: 3 } as const;
    expect(() => createSchedule(both)).toThrow("got costs and numSpeculativeTokens 3");
    expect(createSchedule({ schedule: "goodput", costs: flat }).budget()).toBeGreaterThan(0);
  });
});

test("constant and auto; a name that does not exist", () => {
  expect(createSchedule({ schedule: "constant", costs: flat }).budget()).toBe(4);
  expect(createSchedule({ costs: flat, numSpeculativeTokens: 3 }).budget()).toBe(3);
  expect(createSchedule().budget()).toBe(4);
  const unknown = { schedule: "random" } as unknown as ScheduleOptions;
  expect(() => createSchedule(unknown)).toThrow("createSchedule: schedule: ");
});

describe("exactness", () => {
  const sampling = { temperature: 1 };
  const options: Record<string, ScheduleOptions> = {
    heuristic: { schedule: "heuristic", numSpeculativeTokens: 2 },
    "confidence .45": { schedule: "confidence", confidenceThreshold: 0.45, maxTreeNodes: 3 },
    "confidence .65": { schedule: "confidence", confidenceThreshold: 0.65, maxTreeNodes: 3 },
  };

  test.each(Object.keys(options))("%s: two tokens have the law of TOY3", async (name) => {
    const law = await exactLaw(async (key: RngKey) => {
      const { summary } = await finish(toyTarget(), [4], {
        key,
        coupling: "optimal",
        drafter: await createDraftModel(toyDraft(), { sampling, coupling: "optimal" }),
        sampling,
        ...options[name],
        maxTokens: 4,
      });
      return summary.ids.slice(1, 3);
    });
    for (const [tokens, mass] of Object.entries(twoTokenLaw)) {
      expect(law.get(tokens)).toBeCloseTo(mass, 6);
    }
  });

  test("dropping a drawn token of low probability bends the law: the baselines' (.6, .36, .04)", async () => {
    const p = { ids: null, probs: Float32Array.of(0.5, 0.3, 0.2) };
    const law = await exactLaw((key: RngKey) => {
      const token = key.at(0, "draft").categorical(p.probs);
      const kept = p.probs[token] < 0.25 ? emptyTree : chain([token], [1], [p]);
      const { path, next } = speculativeSampling.verify(kept, () => p, 0, key);
      return path.length > 0 ? token : next;
    });
    [0.6, 0.36, 0.04].forEach((mass, id) => expect(law.get(String(id))).toBeCloseTo(mass, 6));
  });

  test("a schedule that drops drawn nodes is refused", async () => {
    const dropping: Schedule = {
      ...createSchedule(),
      select: (drawn) => selectNodes(drawn, drawn.confidences[0] < 0.25 ? [] : [0]),
    };
    const run = async (coupling: "optimal" | "seeded") =>
      finish(toyTarget(), [3], {
        key: createRng(1),
        coupling,
        drafter: await createDraftModel(toyDraft(), { sampling, coupling }),
        sampling,
        schedule: dropping,
        maxTokens: 9,
      });
    await expect(run("optimal")).rejects.toThrow(
      "of 4 drawn nodes were selected, which bends the law of the text; return the tree itself",
    );
    // Chosen nodes may be dropped.
    expect((await run("seeded")).summary.ids).toHaveLength(9);
  });
});

test("greedy text is that of plain decoding with every schedule", async () => {
  const target = tableModel(randomRows(24, 1));
  const plain = await finish(target, [3], { key: createRng(1), maxTokens: 40 });
  for (const schedule of ["auto", "constant", "heuristic", "confidence", "goodput"] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one generation after the other
    const { summary } = await finish(target, [3], {
      key: createRng(1),
      maxTokens: 40,
      drafter: await createDraftModel(tableModel(randomRows(24, 1))),
      schedule,
      costs: [0, 10, 10, 11, 12],
    });
    expect(summary.ids).toEqual(plain.summary.ids);
    expect(summary.statistics.undraftedRounds).toBe(0);
    expect(summary.statistics.accepted).toBeGreaterThan(9);
  }
});
