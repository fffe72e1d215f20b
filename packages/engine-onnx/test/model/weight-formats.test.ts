import { readFile } from "node:fs/promises";
import { argmax, klDivergence, row, softmax } from "@veridraft/core-probs";
import { type LoadedModel, loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { afterAll, beforeAll, expect, it } from "vitest";

/** Prose of Lewis Carroll (1865) and Charles Darwin (1859), in the public domain, and a Python snippet. */
const fixture = new URL("../fixtures/prose-and-code.txt", import.meta.url);
/** Tokens of one forward; bounds memory to so many rows of logits. */
const chunk = 64;

let f32: LoadedModel;
let int8: LoadedModel;

beforeAll(async () => {
  // One thread each, as the two run side by side.
  [f32, int8] = await Promise.all([
    loadModel(smolLM2.path, { weights: "f32", threads: 1 }),
    loadModel(smolLM2.path, { weights: "int8", threads: 1 }),
  ]);
}, 120_000);

afterAll(async () => {
  await f32.model.dispose();
  await int8.model.dispose();
});

it("f32 is bitwise independent of how tokens are cut into calls, as int8 is", () => {
  expect(f32.exact).toBe(true);
  expect(f32.control).toBeGreaterThan(0);
});

it("int8 has nearly the law of f32 on a page of prose and code", { timeout: 120_000 }, async () => {
  const ids = f32.tokenizer.encode(await readFile(fixture, "utf8"));
  const sequences = [await f32.model.open(), await int8.model.open()];
  const positions = ids.length - 1;
  let kl = 0;
  let logRatio = 0;
  let equal = 0;
  for (let start = 0; start < positions; start += chunk) {
    const inputs = ids.subarray(start, Math.min(start + chunk, positions));
    const logits = await Promise.all(sequences.map((sequence) => sequence.forward(inputs)));
    for (let i = 0; i < inputs.length; i++) {
      const [p, q] = logits.map((matrix) => softmax(row(matrix, i)));
      const next = ids[start + i + 1];
      kl += klDivergence(p, q) / positions;
      logRatio += Math.log(p[next] / q[next]) / positions;
      if (argmax(p) === argmax(q)) equal += 1 / positions;
    }
    for (const sequence of sequences) sequence.commit(inputs.length);
  }
  const perplexity = Math.exp(logRatio);
  console.log(
    `${positions} tokens: KL ${kl.toExponential(2)}, perplexity times ${perplexity.toFixed(4)}, ` +
      `argmax equal at ${(100 * equal).toFixed(1)} %`,
  );

  expect(positions).toBeGreaterThan(1000);
  // 4,096 tokens of other texts gave KL 4.2e-3, perplexity +0.34 % and 96.7 % equal argmax. Each bound adds three standard errors of 1,000 tokens:
  // one token's KL scatters by 6.7e-3, its log-prob by 0.10, its argmax as a coin of 96.7 %.
  expect(kl).toBeLessThan(5e-3);
  expect(perplexity).toBeLessThan(1.013);
  expect(equal).toBeGreaterThan(0.95);
});
