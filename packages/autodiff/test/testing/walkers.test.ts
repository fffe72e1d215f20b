import { statSync } from "node:fs";
import { leavesOf } from "@veridraft/autodiff";
import {
  allWalks,
  answerGreedily,
  isRightAnswer,
  loadWalker,
  trainWalker,
  transformerModel,
  type WalkerName,
  walkerPath,
  walkers,
  walkIds,
  walkPrompt,
} from "@veridraft/autodiff/testing";
import { type LanguageModel, logProbOf, row } from "@veridraft/core-probs";
import { modelLaws, treeModelLaws } from "@veridraft/core-probs/testing";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { afterAll, describe, expect, test } from "vitest";

const runner = createGraphRunner({ threads: 1 });
const models: Record<WalkerName, LanguageModel> = {
  small: transformerModel(runner, walkers.small.config, await loadWalker("small")),
  large: transformerModel(runner, walkers.large.config, await loadWalker("large")),
};
afterAll(() => Promise.all(Object.values(models).map((model) => model.dispose())));

/** Of 30 problems, every 15th. */
async function shareRight(model: LanguageModel): Promise<number> {
  let right = 0;
  for (let i = 0; i < 450; i += 15) {
    // oxlint-disable-next-line no-await-in-loop -- runs share one session
    const answer = await answerGreedily(model, walkPrompt(allWalks[i]));
    if (isRightAnswer(allWalks[i], answer)) right++;
  }
  return right / 30;
}

describe("walkers", () => {
  test("have 28 and 155 thousand parameters, in files of less than a megabyte together", async () => {
    const sizes = { small: 28_032, large: 155_200 };
    let bytes = 0;
    for (const name of Object.keys(walkers) as WalkerName[]) {
      // oxlint-disable-next-line no-await-in-loop -- two small files
      const leaves = leavesOf(await loadWalker(name));
      let count = 0;
      for (const { data } of leaves.values()) count += data.length;
      expect(count).toBe(sizes[name]);
      bytes += statSync(walkerPath(name)).size;
    }
    expect(bytes).toBeLessThan(1e6);
  });

  test("the small one is often right, the large one always", async () => {
    // On all 450 problems 0.7: three deviations of a sample of 30 are 0.25.
    const small = await shareRight(models.small);
    expect(small).toBeGreaterThan(0.45);
    expect(small).toBeLessThan(0.95);
    expect(await shareRight(models.large)).toBe(1);
  });

  test("choose among three synonyms evenly", async () => {
    const sequence = await models.large.open();
    const logits = await sequence.forward(walkPrompt(allWalks[7]), { rows: "last" });
    for (const id of walkIds.synonyms) {
      expect(logProbOf(row(logits, 0), id)).toBeCloseTo(Math.log(1 / 3), 0);
    }
  });
});

describe("transformerModel()", () => {
  test("keeps the model contract, trees among it", async () => {
    const model = transformerModel(runner, walkers.small.config, await loadWalker("small"));
    // A tree has its keys in other places than a chain: float32 sums go in another order. Chains have equal bits.
    const ids = [10, 3, 1, 2, 3, 11, 16, 4, 12, 17, 6, 12];
    await expect(modelLaws(model, { ids })).resolves.toBeUndefined();
    await expect(treeModelLaws(model, { ids, tolerance: 1e-4 })).resolves.toBeUndefined();
    await model.dispose();
  });
});

describe("trainWalker()", () => {
  test("gives the same bits each time, and others for another seed", async () => {
    const recipe = { ...walkers.small, enough: undefined, steps: 32 };
    const first = await trainWalker(runner, recipe);
    expect(await trainWalker(runner, recipe)).toEqual(first);
    expect(await trainWalker(runner, { ...recipe, seed: 77 })).not.toEqual(first);
  });

  test("ends when enough walks are right", async () => {
    let steps = 0;
    await trainWalker(runner, { ...walkers.small, enough: 0 }, ({ step }) => (steps = step));
    expect(steps).toBe(5);
  });

  test("needs more steps than the warm-up", async () => {
    await expect(trainWalker(runner, { ...walkers.small, steps: 30 })).rejects.toThrow(
      "cosineSchedule: steps must be an integer of at least 1, got 0",
    );
  });
});
