// node-llama-cpp as a process, for comparisons: one JSON request a line in, one JSON answer a line out.
//
//   node bench-llama.mjs [--model FILE] [--threads 2] [--lookup]
//   out: {"ready":true,"version":"...","llamaCpp":"...","threads":2,"lookup":false}
//   in:  {"promptIds":[1,2,3],"maxTokens":64}
//   out: {"ids":[...],"promptMs":10,"decodeMs":500,"tokensPerSecond":126}
//
// promptMs runs until the first token, decodeMs from there to the last; tokensPerSecond counts the tokens after the first. --lookup adds
// node-llama-cpp's prompt lookup (InputLookupTokenPredictor with its defaults). Each request starts with an empty cache.
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { InputLookupTokenPredictor } from "node-llama-cpp";
import { embeddedModel, greedy, loadLlama } from "./llama.mjs";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: embeddedModel },
    threads: { type: "string", default: "2" },
    lookup: { type: "boolean", default: false },
  },
});
const threads = Number(values.threads);
const contextSize = 2048;

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const { llama, model, versions } = await loadLlama(values.model);
const context = await model.createContext({ contextSize, threads });
const sequence = context.getSequence(
  values.lookup ? { tokenPredictor: new InputLookupTokenPredictor() } : {},
);
answer({
  ready: true,
  version: versions.nodeLlamaCpp,
  llamaCpp: versions.llamaCpp,
  threads: context.currentThreads || context.idealThreads,
  lookup: values.lookup,
});

async function run({ promptIds, maxTokens }) {
  if (!(promptIds?.length > 0) || !(maxTokens > 0)) {
    throw new Error("promptIds must not be empty and maxTokens must be > 0");
  }
  if (promptIds.length + maxTokens > contextSize) {
    throw new Error(
      `${promptIds.length} + ${maxTokens} tokens exceed the context of ${contextSize}`,
    );
  }
  const ids = [];
  const start = performance.now();
  let first = start;
  for await (const id of greedy(sequence, promptIds, maxTokens)) {
    if (ids.push(id) === 1) first = performance.now();
  }
  const decodeMs = performance.now() - first;
  const tokensPerSecond = ids.length > 1 ? ((ids.length - 1) * 1000) / decodeMs : 0;
  return { ids, promptMs: first - start, decodeMs, tokensPerSecond };
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  try {
    answer(await run(JSON.parse(line)));
  } catch (error) {
    answer({ error: error.message });
  }
}
await llama.dispose();
