import {
  createRng,
  defaultSampling,
  logProbOf,
  processLogits,
  sampleGumbel,
  softmax,
  topK,
} from "@veridraft/core-probs";
import { bench, describe } from "vitest";

/** SmolLM2's vocabulary; logits roughly as peaked as a language model's. */
const vocabSize = 49_152;
const rng = createRng(1).at(0, "draft");
const logits = Float32Array.from({ length: vocabSize }, () => {
  const u = rng.uniform() + rng.uniform() + rng.uniform();
  return 6 * (u - 1.5);
});
for (let i = 0; i < 20; i++) logits[i * 2000] += 8;
const out = new Float32Array(vocabSize);
const warm = { ...defaultSampling, temperature: 0.8 };
const dense = processLogits(logits, warm, []);
const key = createRng(2);
let position = 0;

describe("one row of 49,152 logits", () => {
  bench("softmax", () => {
    softmax(logits, 1, out);
  });
  bench("softmax with Math.exp", () => {
    let sum = 0;
    for (let i = 0; i < vocabSize; i++) sum += out[i] = Math.exp(logits[i] - 17);
    for (let i = 0; i < vocabSize; i++) out[i] /= sum;
  });
  bench("logProbOf", () => {
    logProbOf(logits, 7);
  });
  bench("topK 8", () => {
    topK(logits, 8);
  });
  bench("gumbel", () => {
    key.at(position++, "sample").gumbel(logits, null);
  });
  bench("sampleGumbel, dense law", () => {
    sampleGumbel(dense, key.at(position++, "sample"));
  });
  bench("processLogits greedy", () => {
    processLogits(logits, defaultSampling, []);
  });
  bench("processLogits temperature", () => {
    processLogits(logits, warm, []);
  });
  bench("processLogits topK 40, topP 0.9", () => {
    processLogits(logits, { ...warm, topK: 40, topP: 0.9 }, []);
  });
  bench("processLogits topP 0.9", () => {
    processLogits(logits, { ...warm, topP: 0.9 }, []);
  });
  bench("processLogits minP 0.05", () => {
    processLogits(logits, { ...warm, minP: 0.05 }, []);
  });
  bench("processLogits typical 0.9", () => {
    processLogits(logits, { ...warm, typicalP: 0.9 }, []);
  });
});
