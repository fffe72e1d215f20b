// Records log-probabilities that llama.cpp gives for the small networks of packages/engine-onnx/test/fixtures/gguf; make-gguf.py there writes them.
//
//   npm ci --prefix tools/peers && node tools/peers/record-logits.mjs
//
// logits.json: the ids fed, and for each file and position the 16 likeliest next ids with their log-probabilities, rounded to 1e-5: `f32` from the
// file's values in F32, `own` from the file itself, for which llama.cpp rounds activations, too.
import { readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadLlama } from "./llama.mjs";

const folder = fileURLToPath(
  new URL("../../packages/engine-onnx/test/fixtures/gguf/", import.meta.url),
);
const ids = Array.from({ length: 32 }, (_, i) => (i * 97 + 13) % 259);
const likeliest = 16;

const f32Folder = join(tmpdir(), "veridraft-f32");

async function record(path) {
  const { llama, model, versions } = await loadLlama(path);
  const context = await model.createContext({
    contextSize: 128,
    threads: 1,
    // Keys and values in F32; the kernel of flash attention would round them to F16.
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
  });
  const items = ids.map((id) => [id, { generateNext: { probabilities: true } }]);
  const outputs = await context.getSequence().controlledEvaluate(items);
  await llama.dispose();
  const positions = outputs.map(({ next }) => {
    const best = [...next.probabilities].slice(0, likeliest);
    return {
      ids: best.map(([id]) => id),
      logProbs: best.map(([, p]) => Math.round(Math.log(p) * 1e5) / 1e5),
    };
  });
  return { positions, versions };
}

const files = {};
let versions;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".gguf"))) {
  const f32 = await record(join(f32Folder, file));
  const own = await record(join(folder, file));
  ({ versions } = own);
  files[file.replace(".gguf", "")] = { f32: f32.positions, own: own.positions };
}

const text = JSON.stringify({ versions, ids, files }, null, 1);
// Numbers of an array on one line.
const lines = text.replaceAll(/\[[\s\d,.e-]+\]/g, (array) => array.replaceAll(/\s+/g, ""));
writeFileSync(join(folder, "logits.json"), `${lines}\n`);
