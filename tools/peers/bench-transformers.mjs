// Transformers.js as a process, for comparisons: the requests and answers of bench-llama.mjs that measure speed.
//
//   node bench-transformers.mjs --model FOLDER [--dtype q8] [--threads 2]
//   out: {"version":"Transformers.js ...","loadMs":800}
//   in:  {"op":"forward","past":128,"rows":8}                    out: {"ms":33}
//        {"op":"prefill","rows":256}                             out: {"ms":300}
//        {"op":"streams","count":8,"past":128,"tokens":32}       out: {"tokensPerSecond":250}, of all streams together
//        {"op":"memory"}                                         out: {"megabytes":273}
//
// FOLDER is an export as a Hugging Face repository has it; nothing is downloaded. It runs in the ONNX Runtime that Transformers.js brings along. Streams
// are the rows of one batch, as `generate` has them.
import { readFileSync } from "node:fs";
import { dirname, basename, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { AutoModelForCausalLM, DynamicCache, env, ones, Tensor } from "@huggingface/transformers";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    dtype: { type: "string", default: "q8" },
    threads: { type: "string", default: "2" },
  },
});

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const folder = resolve(values.model);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);

const manifest = new URL("node_modules/@huggingface/transformers/package.json", import.meta.url);
const { version, dependencies } = JSON.parse(readFileSync(manifest, "utf8"));

const started = performance.now();
const model = await AutoModelForCausalLM.from_pretrained(basename(folder), {
  dtype: values.dtype,
  device: "cpu",
  session_options: { intraOpNumThreads: Number(values.threads) },
});
answer({
  version: `Transformers.js ${version} (onnxruntime-node ${dependencies["onnxruntime-node"]})`,
  loadMs: performance.now() - started,
});

const idModulus = Math.min(49_000, model.config.vocab_size);
const idsOf = (count, first = 0) =>
  Array.from({ length: count }, (_, i) => ((first + i) * 7919 + 13) % idModulus);

/** The inputs of a forward of the same ids in each of `count` sequences after `past` tokens. */
const inputsOf = (ids, past = 0, count = 1) => ({
  input_ids: new Tensor(
    "int64",
    BigInt64Array.from(Array.from({ length: count }, () => ids).flat(), BigInt),
    [count, ids.length],
  ),
  attention_mask: ones([count, past + ids.length]),
});

/** The keys and values of the first `past` ids, in each of `count` sequences. */
async function cacheOf(past, count = 1) {
  const { logits: _, ...present } = await model({
    ...inputsOf(idsOf(past), 0, count),
    num_logits_to_keep: new Tensor("int64", [1n], []),
  });
  const renamed = Object.entries(present).map(([name, tensor]) => [
    name.replace("present", "past_key_values"),
    tensor,
  ]);
  return new DynamicCache(Object.fromEntries(renamed));
}

function argmax(data, from, to) {
  let best = from;
  for (let i = from + 1; i < to; i++) if (data[i] > data[best]) best = i;
  return best - from;
}

let held = { past: -1, cache: null };

async function forward({ past, rows }) {
  if (held.past !== past) held = { past, cache: await cacheOf(past) };
  const inputs = { ...inputsOf(idsOf(rows, past), past), past_key_values: held.cache };
  let ms = 0;
  // The first after another engine has worked finds its threads asleep; a decode loop does not.
  for (let run = 0; run < 2; run++) {
    const start = performance.now();
    const { data, dims } = (await model(inputs)).logits;
    const width = dims.at(-1);
    for (let i = 0; i < rows; i++) argmax(data, i * width, (i + 1) * width);
    ms = performance.now() - start;
  }
  return { ms };
}

async function prefill({ rows }) {
  const inputs = { ...inputsOf(idsOf(rows)), num_logits_to_keep: new Tensor("int64", [1n], []) };
  const start = performance.now();
  await model(inputs);
  return { ms: performance.now() - start };
}

async function streams({ count, past, tokens }) {
  const cache = await cacheOf(past - 1, count);
  const start = performance.now();
  const ids = await model.generate({
    ...inputsOf(idsOf(past), 0, count),
    past_key_values: cache,
    do_sample: false,
    max_new_tokens: tokens,
    eos_token_id: null,
  });
  const seconds = (performance.now() - start) / 1000;
  if (ids.dims[1] !== past + tokens) throw new Error(`generate gave ${ids.dims} ids`);
  return { tokensPerSecond: (count * tokens) / seconds };
}

const memory = () => ({ megabytes: process.memoryUsage.rss() / 2 ** 20 });

const tapped = () => {
  throw new Error("it gives no hidden states beside logits");
};

const ops = { forward, prefill, streams, memory, tapped };

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  try {
    const request = JSON.parse(line);
    answer(await ops[request.op](request));
  } catch (error) {
    answer({ error: error.message });
  }
}
await model.dispose();
