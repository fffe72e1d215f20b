/** Penalties and masks along the paths of drafted trees. */
import { createRng, type RngKey, type Sampling } from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import {
  chain,
  type Coupling,
  createPromptLookup,
  type Drafter,
  type DraftTree,
  type LogitsProcessor,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { adversarialDrafter, finish, fixedDrafter, randomRows } from "./support.ts";
import { toyTarget } from "./toy3.ts";

const couplings: Coupling[] = ["seeded", "optimal"];

/** Both children of the root and a child below each. */
const branching: DraftTree = {
  ...chain([0, 1, 0, 0], [0.9, 0.5, 0.9, 0.5]),
  parents: Int32Array.of(-1, -1, 0, 1),
};

/** The law of three tokens after one that is certain. */
function lawOf(coupling: Coupling, drafter: () => Drafter | null, options: object) {
  return exactLaw(async (key: RngKey) => {
    const { summary } = await finish(toyTarget(), [0, 4], {
      key,
      coupling,
      drafter: drafter(),
      numSpeculativeTokens: 4,
      maxTokens: 4,
      sampling: { temperature: 1 },
      ...options,
    });
    return summary.ids;
  });
}

/** No token twice in a row, and at most two of token 0 in prompt and text. */
const noRepeats: LogitsProcessor = (logits, ids) => {
  logits[ids[ids.length - 1]] = -Infinity;
  if (ids.filter((id) => id === 0).length > 1) logits[0] = -Infinity;
};

const unlikeLastThree: LogitsProcessor = (logits, ids) => {
  for (const id of ids.slice(-3)) logits[id] = -Infinity;
};

const nothingAtThree: LogitsProcessor = (logits, ids) => {
  if (ids.length === 3) logits.fill(-Infinity);
};

describe.each(couplings)("%s: a branching tree has the law of plain decoding", (coupling) => {
  test.each<[string, object]>([
    ["repetition penalty", { sampling: { temperature: 1, repetitionPenalty: 1.8 } }],
    [
      "all penalties",
      {
        sampling: {
          temperature: 0.8,
          repetitionPenalty: 1.3,
          frequencyPenalty: 0.7,
          presencePenalty: 0.4,
        },
      },
    ],
    ["a mask that depends on the path", { logitsProcessor: noRepeats }],
    [
      "mask and penalty",
      { logitsProcessor: noRepeats, sampling: { temperature: 1, repetitionPenalty: 1.8 } },
    ],
  ])("%s", async (_, options) => {
    const plain = await lawOf(coupling, () => null, options);
    const drafted = await lawOf(coupling, () => fixedDrafter(branching), options);
    expect([...drafted.keys()].toSorted()).toEqual([...plain.keys()].toSorted());
    for (const [text, mass] of plain) expect(drafted.get(text)).toBeCloseTo(mass, 9);
    expect(plain.size).toBeGreaterThan(5);
  });
});

test("what is masked never comes, though it is drafted", async () => {
  const law = await lawOf("seeded", () => fixedDrafter(branching), { logitsProcessor: noRepeats });
  for (const text of law.keys()) {
    const ids = text.split(",");
    for (let i = 1; i < ids.length; i++) expect(ids[i]).not.toBe(ids[i - 1]);
    expect(ids.filter((id) => id === "0").length).toBeLessThan(2);
  }
});

test("the processor sees prompt, text and the drafted path", async () => {
  const seen: string[] = [];
  const logitsProcessor: LogitsProcessor = (_, ids) => seen.push(ids.join(""));
  const ring = tableModel([0, 1, 2].map((i) => [0, 1, 2].map((j) => Number(j === (i + 1) % 3))));
  await finish(ring, [0], {
    key: createRng(1),
    maxTokens: 4,
    drafter: fixedDrafter(chain([2, 0], [1, 1])),
    logitsProcessor,
  });
  expect(seen).toEqual(["0", "01", "012", "0120"]);
});

test("seeded: the text of a seed does not depend on the drafter, masks included", async () => {
  const model = tableModel(randomRows(24, 1));
  const sampling: Partial<Sampling> = { temperature: 0.9, topP: 0.9, repetitionPenalty: 1.2 };
  const common = {
    key: createRng(2),
    maxTokens: 60,
    sampling,
    logitsProcessor: unlikeLastThree,
    logProbs: 0,
  };
  const plain = await finish(model, [3, 1, 4], common);
  for (const drafter of [createPromptLookup(), adversarialDrafter(24, 5)]) {
    const drafted = await finish(model, [3, 1, 4], { ...common, drafter, numSpeculativeTokens: 8 });
    expect(drafted.summary.ids).toEqual(plain.summary.ids);
  }
  plain.summary.ids.forEach((id, i) => expect(plain.summary.ids.slice(i - 3, i)).not.toContain(id));
});

test("a mask that leaves nothing is an error", async () => {
  await expect(
    finish(toyTarget(), [0], { key: createRng(1), logitsProcessor: nothingAtThree }),
  ).rejects.toThrow(
    "generate: the logitsProcessor leaves none of 5 tokens after 3 ids; allow at least one, such as a stop id",
  );
});
