/**
 * Our engine as a process, for comparisons: the requests and answers of tools/peers/bench-llama.mjs.
 *
 *   node engine-process.js '{"model": FILE, "weights": "int8", "streams": 8}'
 */
import { createInterface } from "node:readline";
import { argmax, type Matrix, row } from "@veridraft/core-probs";
import { loadModel, type OnnxSequence } from "@veridraft/engine-onnx";

const { model: path, ...options } = JSON.parse(process.argv[2]);
const started = performance.now();
const { model, exact } = await loadModel(path, { ...options, prefixCacheBytes: 0 });
answer({ loadMs: performance.now() - started, exact });
const sequence = await model.open();
let tapped: OnnxSequence | undefined;

function answer(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const idModulus = Math.min(49_000, model.vocabSize);
function idsOf(count: number, first = 0): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => ((first + i) * 7919 + 13) % idModulus);
}

/** Makes a sequence hold exactly the first `past` ids. */
async function hold(each: OnnxSequence, past: number): Promise<void> {
  if (each.length === past) return;
  each.truncate(0);
  await each.forward(idsOf(past), { rows: "last" });
  each.commit(past);
}

function lastId(logits: Matrix): number {
  return argmax(row(logits, logits.rows - 1));
}

interface Rows {
  readonly past: number;
  readonly rows: number;
}

async function timed(each: OnnxSequence, { past, rows }: Rows): Promise<{ ms: number }> {
  await hold(each, past);
  const ids = idsOf(rows, past);
  // The first after another engine has worked finds its threads asleep; a decode loop does not.
  await each.forward(ids);
  const start = performance.now();
  const logits = await each.forward(ids);
  for (let i = 0; i < rows; i++) argmax(row(logits, i));
  return { ms: performance.now() - start };
}

const ops = {
  forward: (request: Rows) => timed(sequence, request),

  /** With hidden states. */
  async tapped(request: Rows) {
    tapped ??= await model.openTapped();
    return timed(tapped, request);
  },

  async prefill({ rows }: { rows: number }) {
    sequence.truncate(0);
    const ids = idsOf(rows);
    const start = performance.now();
    await sequence.forward(ids, { rows: "last" });
    return { ms: performance.now() - start };
  },

  async streams({ count, past, tokens }: { count: number; past: number; tokens: number }) {
    const running = await Promise.all(Array.from({ length: count }, () => model.open()));
    for (const each of running) await hold(each, past - 1);
    const stream = async (each: OnnxSequence, i: number): Promise<void> => {
      let [id] = idsOf(1, i);
      for (let left = tokens; left > 0; left--) {
        id = lastId(await each.forward([id]));
        each.commit(1);
      }
    };
    const start = performance.now();
    await Promise.all(running.map(stream));
    const seconds = (performance.now() - start) / 1000;
    for (const each of running) each.dispose();
    return { tokensPerSecond: (count * tokens) / seconds };
  },

  memory: async () => ({ megabytes: process.memoryUsage.rss() / 2 ** 20 }),
} as const;

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const request = JSON.parse(line);
    answer(await ops[request.op as keyof typeof ops](request));
  } catch (error) {
    answer({ error: (error as Error).message });
  }
}
await model.dispose();
