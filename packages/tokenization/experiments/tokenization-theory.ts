/**
 * The same small transformer learns a chain with two letters of memory from letters and from tokens, in as many steps. With learned positions, as in GPT-2, it
 * comes near the entropy rate from tokens and stays at the entropy of one letter from letters. Rotary positions let letters catch up.
 */
import { cosineSchedule } from "@veridraft/autodiff";
import {
  initTransformer,
  measureBits,
  textBatches,
  trainLanguageModel,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { encodeRules, learnPairs, switchingSource } from "@veridraft/tokenization/systems";

const source = switchingSource(2, 0.8, 0.8);
const key = createRng(1);
const learned = source.sample(10_000, key.at(0, "draft"));
const train = source.sample(400_000, key.at(1, "draft"));
const fresh = source.sample(20_000, key.at(0, "sample"));
const letters = 512;
const runner = createGraphRunner({ threads: 1 });

/** Nats a letter of `fresh`, after `steps` steps on windows of about `letters` letters. */
async function lossWith(size: number, rotaryBase: number | null, steps: number): Promise<number> {
  const dictionary = learnPairs(learned, size);
  const encode = (text: string): Int32Array =>
    Int32Array.from(encodeRules(dictionary, text), (token) => dictionary.tokens.indexOf(token));
  const ids = encode(train);
  const window = Math.round((letters * ids.length) / train.length);
  const config: TransformerConfig = {
    vocabSize: size,
    contextLength: window,
    layers: 2,
    width: 32,
    heads: 1,
    hidden: 128,
    mlp: "gelu",
    norm: "layer",
    rotaryBase,
    tied: false,
  };
  const { params } = await trainLanguageModel(runner, config, {
    params: initTransformer(config, key.at(2, "draft"), 0.02),
    batches: textBatches(ids, 16, window, key),
    steps,
    learningRate: cosineSchedule({ peak: 2e-3, steps }),
    weightDecay: 1e-3,
  });
  const bits = await measureBits(runner, config, params, encode(fresh));
  return (bits * Math.LN2) / fresh.length;
}

console.log(
  `entropy of a letter ${source.stationaryEntropy.toFixed(3)}, rate ${source.entropyRate.toFixed(3)}`,
);
for (const [positions, rotaryBase, steps, sizes] of [
  ["learned positions", null, 300, [2, 10, 20]],
  ["rotary positions", 10_000, 30, [2, 10, 20]],
  ["rotary positions", 10_000, 300, [2]],
] as const) {
  for (const size of sizes) {
    const loss = await lossWith(size, rotaryBase, steps);
    const near = loss < 1.05 * source.entropyRate;
    console.log(`${positions}, ${steps} steps, ${size} tokens: ${loss.toFixed(3)}, near: ${near}`);
  }
}
// -> entropy of a letter 0.693, rate 0.500
// -> learned positions, 300 steps, 2 tokens: 0.6..., near: false
// -> learned positions, 300 steps, 10 tokens: 0.50..., near: true
// -> learned positions, 300 steps, 20 tokens: 0.5..., near: true
// -> rotary positions, 30 steps, 2 tokens: 0.69..., near: false
// -> rotary positions, 30 steps, 10 tokens: 0.5..., near: ...
// -> rotary positions, 30 steps, 20 tokens: 0.5..., near: ...
// -> rotary positions, 300 steps, 2 tokens: 0.50..., near: true
