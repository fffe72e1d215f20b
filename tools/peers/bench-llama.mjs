// node-llama-cpp as a process, for comparisons: one JSON request a line in, one JSON answer a line out.
//
//   node bench-llama.mjs [--model FILE] [--threads 2] [--lookup] [--sequences 1] [--vocab 49000]
//   out: {"version":"node-llama-cpp ...","loadMs":800}
//   in:  {"op":"generate","promptIds":[1,2,3],"maxTokens":64}    out: {"ids":[...],"tokensPerSecond":126}
//        {"op":"forward","past":128,"rows":8}                    out: {"ms":33}
//        {"op":"prefill","rows":256}                             out: {"ms":300}
//        {"op":"streams","count":8,"past":128,"tokens":32}       out: {"tokensPerSecond":250}, of all streams together
//        {"op":"laws","ids":[1,2,3],"begins":true}               out: {"laws":["...","...","..."]}
//        {"op":"memory"}                                         out: {"megabytes":273}
//
// Greedy throughout; tokensPerSecond counts the tokens after the first. --lookup adds node-llama-cpp's prompt lookup (InputLookupTokenPredictor with its
// defaults). A forward, the second of two in a row, gives the next token of every row, as a verification needs it. laws are the probabilities of all
// tokens after each of the ids, float32 in base64; ids follow those of the call before unless they begin anew.
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { InputLookupTokenPredictor } from "node-llama-cpp";
import { embeddedModel, greedy, loadLlama } from "./llama.mjs";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: embeddedModel },
    threads: { type: "string", default: "2" },
    lookup: { type: "boolean", default: false },
    sequences: { type: "string", default: "1" },
    vocab: { type: "string", default: "49000" },
  },
});
const contextSize = 2048;

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const started = performance.now();
const { llama, model, versions } = await loadLlama(values.model);
const context = await model.createContext({
  contextSize,
  threads: Number(values.threads),
  sequences: Number(values.sequences),
});
const options = values.lookup ? { tokenPredictor: new InputLookupTokenPredictor() } : {};
const sequences = Array.from({ length: Number(values.sequences) }, () =>
  context.getSequence(options),
);
const [sequence] = sequences;
answer({
  version: `node-llama-cpp ${versions.nodeLlamaCpp} (llama.cpp ${versions.llamaCpp})`,
  loadMs: performance.now() - started,
});

const idModulus = Math.min(49_000, Number(values.vocab));
const idsOf = (count, first = 0) =>
  Array.from({ length: count }, (_, i) => ((first + i) * 7919 + 13) % idModulus);

/** Makes a sequence hold exactly the first `past` ids. */
async function hold(each, past) {
  if (each.nextTokenIndex === past) return;
  await each.clearHistory();
  await each.evaluateWithoutGeneratingNewTokens(idsOf(past));
}

async function generate({ promptIds, maxTokens }) {
  if (promptIds.length + maxTokens > contextSize) {
    throw new Error(`${promptIds.length} + ${maxTokens} tokens exceed ${contextSize}`);
  }
  const ids = [];
  let first = 0;
  for await (const id of greedy(sequence, promptIds, maxTokens)) {
    if (ids.push(id) === 1) first = performance.now();
  }
  const seconds = (performance.now() - first) / 1000;
  return { ids, tokensPerSecond: ids.length > 1 ? (ids.length - 1) / seconds : 0 };
}

async function forward({ past, rows }) {
  await hold(sequence, past);
  const input = idsOf(rows, past).map((id) => [id, { generateNext: { token: true } }]);
  let ms = 0;
  // The first after another engine has worked finds its threads asleep; a decode loop does not.
  for (let run = 0; run < 2; run++) {
    const start = performance.now();
    await sequence.controlledEvaluate(input);
    ms = performance.now() - start;
    await sequence.eraseContextTokenRanges([{ start: past, end: sequence.nextTokenIndex }]);
  }
  return { ms };
}

async function prefill({ rows }) {
  await sequence.clearHistory();
  const ids = idsOf(rows);
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids);
  return { ms: performance.now() - start };
}

async function streams({ count, past, tokens }) {
  const running = sequences.slice(0, count);
  for (const each of running) await hold(each, past - 1);
  const stream = async (each, i) => {
    let left = tokens;
    for await (const _ of each.evaluate(idsOf(1, i), { temperature: 0, yieldEogToken: true })) {
      if (--left === 0) return;
    }
  };
  const start = performance.now();
  await Promise.all(running.map(stream));
  const seconds = (performance.now() - start) / 1000;
  for (const each of running) await each.clearHistory();
  return { tokensPerSecond: (count * tokens) / seconds };
}

/** Nothing is cut off, so that llama.cpp's samplers leave the model's law. */
const untruncated = { temperature: 1, topK: 0, topP: 1, minP: 0 };

async function laws({ ids, begins }) {
  if (begins) await sequence.clearHistory();
  const generateNext = { probabilities: true, options: untruncated };
  const outputs = await sequence.controlledEvaluate(ids.map((id) => [id, { generateNext }]));
  const rows = outputs.map(({ next }) => {
    const law = new Float32Array(next.probabilities.size);
    for (const [id, probability] of next.probabilities) law[id] = probability;
    return Buffer.from(law.buffer).toString("base64");
  });
  return { laws: rows };
}

const memory = () => ({ megabytes: process.memoryUsage.rss() / 2 ** 20 });

const tapped = () => {
  throw new Error("it gives no hidden states beside logits");
};

const ops = { generate, forward, prefill, streams, laws, memory, tapped };

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  try {
    const request = JSON.parse(line);
    answer(await ops[request.op](request));
  } catch (error) {
    answer({ error: error.message });
  }
}
await llama.dispose();
