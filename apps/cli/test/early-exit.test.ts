/** The first layers of a model draft for the whole of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRng } from "@veridraft/core-probs";
import { type LoadedModel, loadModel } from "@veridraft/engine-onnx";
import {
  createDraftModel,
  type Drafter,
  generate,
  type GenerateOptions,
  type Summary,
} from "@veridraft/spec-decoding";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const path = fileURLToPath(
  new URL("../../../packages/engine-onnx/test/fixtures/gguf/smollm3.gguf", import.meta.url),
);
let cacheFolder: string;
let target: LoadedModel;
let first: LoadedModel;
beforeAll(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), "veridraft-early-exit-"));
  const options = { threads: 1, spinning: false, cacheFolder };
  target = await loadModel(path, options);
  first = await loadModel(path, { ...options, layers: 1 });
}, 60_000);
afterAll(async () => {
  await target.model.dispose();
  await first.model.dispose();
  await rm(cacheFolder, { recursive: true });
});

async function finish(
  drafter: Drafter | null,
  sampling: GenerateOptions["sampling"],
): Promise<Summary> {
  const options = { key: createRng(3), drafter, sampling, maxTokens: 40, numSpeculativeTokens: 3 };
  const generation = generate(target.model, [5, 17, 3, 80], options);
  let next = await generation.next();
  while (!next.done) next = await generation.next();
  return next.value;
}

describe("one layer of five", () => {
  it.each([
    ["greedy", {}],
    ["temperature 0.9", { temperature: 0.9 }],
  ])("drafts, and the text is that of the target alone (%s)", async (_, sampling) => {
    expect(target.exact && first.exact).toBe(true);
    const plain = await finish(null, sampling);
    const drafted = await finish(await createDraftModel(first.model, { sampling }), sampling);
    expect(drafted.ids).toEqual(plain.ids);
    expect(drafted.statistics.undraftedRounds).toBe(0);
    expect(drafted.statistics.proposed).toBeGreaterThan(30);
  });
});
