// What the two programs of this folder share: the model in node-llama-cpp, on the CPU, and the versions to quote.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { getLlama } from "node-llama-cpp";

export const embeddedModel = fileURLToPath(
  new URL("../../packages/model-smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url),
);

const { version } = JSON.parse(
  readFileSync(new URL("node_modules/node-llama-cpp/package.json", import.meta.url), "utf8"),
);

/** Loads a GGUF file with the prebuilt llama.cpp; nothing is compiled or downloaded. */
export async function loadLlama(modelPath, options = {}) {
  const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
  const model = await llama.loadModel({ modelPath, ...options });
  const versions = { nodeLlamaCpp: version, llamaCpp: llama.llamaCppRelease.release };
  return { llama, model, versions };
}

/** Feeds `promptIds` to an empty sequence and yields the ids of greedy decoding, end tokens included. */
export async function* greedy(sequence, promptIds, maxTokens) {
  await sequence.clearHistory();
  let left = maxTokens;
  for await (const id of sequence.evaluate(promptIds, { temperature: 0, yieldEogToken: true })) {
    yield id;
    if (--left === 0) return;
  }
}
