/**
 * Runs many short generations on a model and prints what the process holds, as JSON, after each tenth of them.
 *
 *   node --expose-gc many-generations.ts FILE CACHE_FOLDER COUNT
 */
import { argmax, row } from "@veridraft/core-probs";
import { type EngineStatistics, loadModel } from "@veridraft/engine-onnx";

/** What is held. */
export interface Held {
  readonly megabytes: number;
  readonly heapMegabytes: number;
  readonly statistics: EngineStatistics;
}

const [file, cacheFolder, count] = process.argv.slice(2);
const { model } = await loadModel(file, {
  threads: 1,
  spinning: false,
  cacheFolder,
  prefixCacheBytes: 2 ** 20,
});

async function held(): Promise<Held> {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const statistics = await model.statistics();
  return { megabytes: rss / 2 ** 20, heapMegabytes: heapUsed / 2 ** 20, statistics };
}

const seen: Held[] = [];
for (let i = 1; i <= Number(count); i++) {
  const sequence = await model.open();
  // A new prompt every time, so that kept rows come and go.
  const prompt = Array.from({ length: 12 }, (_, at) => (i * 7919 + at * 31) % model.vocabSize);
  const logits = await sequence.forward(prompt, { rows: "last" });
  sequence.commit(prompt.length);
  await sequence.forward([argmax(row(logits, 0))]);
  sequence.commit(1);
  sequence.dispose();
  if (i % (Number(count) / 10) === 0) seen.push(await held());
}
process.stdout.write(JSON.stringify(seen));
await model.dispose();
