import { readFileSync } from "node:fs";
import { argmax, row } from "@veridraft/core-probs";
import { loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { expect, it } from "vitest";

const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/llama-cpp-greedy.json", import.meta.url), "utf8"),
) as { prompts: Recorded[] };

/** A prompt and what llama.cpp generated after it, greedily, on the same file. */
interface Recorded {
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
}

it(
  "f32 has llama.cpp's argmax at 95 % of the positions of its own text, and near ties elsewhere",
  { timeout: 120_000 },
  async () => {
    const { model } = await loadModel(smolLM2.path, { weights: "f32" });
    let positions = 0;
    let equal = 0;
    for (const { promptIds, ids } of fixture.prompts) {
      const sequence = await model.open();
      const logits = await sequence.forward([...promptIds, ...ids.slice(0, -1)]);
      ids.forEach((id, i) => {
        const after = row(logits, promptIds.length - 1 + i);
        const best = argmax(after);
        positions++;
        const gap = after[best] - after[id];
        if (gap === 0) equal++;
        else console.log(`position ${i}: ${best} instead of ${id}, gap ${gap.toFixed(3)} logits`);
        expect(gap).toBeLessThan(0.5);
      });
      sequence.dispose();
    }
    await model.dispose();
    console.log(`${equal} of ${positions} positions agree`);
    expect(positions).toBe(240);
    expect(equal / positions).toBeGreaterThanOrEqual(0.95);
  },
);
