import { createRng, type Sampling } from "@veridraft/core-probs";
import { type LoadedModel, loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import {
  AdjacencyMatrix,
  createSuffixDrafter,
  createTokenRecycling,
  type Drafter,
  encodePrompt,
  SuffixStore,
} from "@veridraft/spec-decoding";
import { afterAll, beforeAll, expect, test } from "vitest";
import { finish } from "../support.ts";
import { prompts } from "./prompts.ts";

let f32: LoadedModel;
beforeAll(async () => {
  f32 = await loadModel(smolLM2.path, { weights: "f32" });
}, 60_000);
afterAll(() => f32.model.dispose());

/** Generates with the three likeliest alternatives of every token. */
async function generated(
  prompt: readonly number[],
  sampling: Partial<Sampling>,
  drafter?: Drafter,
) {
  const { model, tokenizer, exactTrees } = f32;
  const { steps, summary } = await finish(model, prompt, {
    key: createRng(1),
    maxTokens: 24,
    stopIds: [...tokenizer.endIds],
    sampling,
    logProbs: 3,
    drafter,
    branching: exactTrees,
    numSpeculativeTokens: 5,
  });
  return { ...summary, logProbs: steps.flatMap(({ logProbs }) => logProbs ?? []) };
}

const nucleus = { temperature: 0.8, topP: 0.95 };

test.each<[string, Partial<Sampling>]>([
  ["nucleus sampling", nucleus],
  ["a repetition penalty", { ...nucleus, repetitionPenalty: 1.2 }],
])(
  "log-probs and alternatives are those of plain decoding: %s",
  { timeout: 120_000 },
  async (kind, sampling) => {
    let accepted = 0;
    let difference = 0;
    for (const i of [0, 9, 15]) {
      const prompt = [...encodePrompt(f32, prompts[i])];
      const plain = await generated(prompt, sampling);
      // The suffix drafter knows the text and is nearly always right; recycling is mostly wrong.
      const store = new SuffixStore();
      store.add([...prompt, ...plain.ids]);
      const matrix = new AdjacencyMatrix(f32.model.vocabSize);
      for (const drafter of [createSuffixDrafter(store), createTokenRecycling(matrix)]) {
        const drafted = await generated(prompt, sampling, drafter);
        expect(drafted.ids).toEqual(plain.ids);
        expect(drafted.logProbs).toHaveLength(plain.ids.length);
        drafted.logProbs.forEach(({ raw, processed, top }, t) => {
          const expected = plain.logProbs[t];
          expect(top.map(({ id }) => id)).toEqual(expected.top.map(({ id }) => id));
          difference = Math.max(
            difference,
            Math.abs(raw - expected.raw),
            Math.abs(processed - expected.processed),
            ...top.map(({ logProb }, rank) => Math.abs(logProb - expected.top[rank].logProb)),
          );
        });
        accepted += drafted.statistics.accepted;
      }
    }
    console.log(`${kind}: ${accepted} drafted tokens, largest difference ${difference}`);
    expect(accepted).toBeGreaterThan(0);
    // 0 where the engine is exact; elsewhere another cut into forwards moves an f32 logit by some 5e-5.
    expect(difference).toBeLessThanOrEqual(1e-4);
  },
);
