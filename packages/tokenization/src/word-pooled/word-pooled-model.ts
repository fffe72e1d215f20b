/** The word-pooled network in use: words in, the law of the next word out. The three stacks are three programs; the large one runs once a word. */
import { type GraphRunner, type HostTensor, jit, reshape, type Tensor } from "@veridraft/autodiff";
import { argmax, InvalidArgumentError, logSoftmax, type Rng, softmax } from "@veridraft/core-probs";
import {
  decodeWords,
  poolWords,
  type WordPooled,
  type WordPooledConfig,
  wordStates,
} from "./word-pooled.ts";
import { packWords } from "./words.ts";

/** How the units of a word are chosen: the likeliest, or drawn at a temperature. */
export type UnitChoice = "greedy" | { readonly rng: Rng; readonly temperature: number };

/** A word-pooled model. Words are arrays of units, from 1 on. */
export interface WordPooledModel {
  /** Vectors of words, one array of [prefixes, width] a word. @throws InvalidArgumentError for units that are none, and for words that are too long. */
  pool(words: readonly ArrayLike<number>[]): Promise<Float32Array[]>;
  /** The state after pooled words, [prefixes, width]: the law of the next word. @throws InvalidArgumentError for no word, or more than a context has. */
  state(pooled: readonly Float32Array[]): Promise<Float32Array>;
  /** The next word after a state, without its end. */
  decode(state: Float32Array, choice: UnitChoice): Promise<number[]>;
  /** ln P(word | state), its end included: over all words the probabilities sum to 1. */
  score(state: Float32Array, word: ArrayLike<number>): Promise<number>;
  dispose(): Promise<void>;
}

/** Words that are pooled in one run; further rows of a run are padding. */
const wordsPerRun = 16;

/** A model of trained parameters. @throws ShapeError from the first use on where they do not fit the configuration. */
export function createWordPooledModel(
  runner: GraphRunner,
  config: WordPooledConfig,
  params: WordPooled<HostTensor>,
): WordPooledModel {
  const { prefixes, width, maxUnits, maxWords, units } = config;
  const size = prefixes * width;
  const vocabulary = 1 + units;
  type Weights = WordPooled<Tensor>;
  const encoder = jit(runner, (weights: Weights, ids: Tensor, lengths: Tensor) =>
    poolWords(weights, config, ids, lengths),
  );
  const trunk = jit(runner, (weights: Weights, pooled: Tensor) =>
    wordStates(weights, config, reshape(pooled, [1, maxWords * prefixes, width])),
  );
  const decoder = jit(runner, (weights: Weights, from: Tensor, ids: Tensor) =>
    decodeWords(weights, config, from, ids),
  );

  function check(word: ArrayLike<number>, caller: string): void {
    for (let k = 0; k < word.length; k++) {
      if (!(word[k] <= units)) {
        throw new InvalidArgumentError(`${caller}: units are 1 to ${units}, got ${word[k]}`);
      }
    }
  }

  async function pool(words: readonly ArrayLike<number>[]): Promise<Float32Array[]> {
    for (const word of words) check(word, "pool");
    const pooled: Float32Array[] = [];
    for (let start = 0; start < words.length; start += wordsPerRun) {
      const some = words.slice(start, start + wordsPerRun);
      const { ids, lengths } = packWords(some, maxUnits);
      const rows = new Int32Array(wordsPerRun * maxUnits);
      rows.set(ids);
      const counts = new Int32Array(wordsPerRun);
      counts.set(lengths);
      // oxlint-disable-next-line no-await-in-loop -- runs share one session
      const { data } = await encoder(
        params,
        { data: rows, shape: [wordsPerRun, maxUnits] },
        { data: counts, shape: [wordsPerRun] },
      );
      some.forEach((_, i) => pooled.push((data as Float32Array).slice(i * size, (i + 1) * size)));
    }
    return pooled;
  }

  async function state(pooled: readonly Float32Array[]): Promise<Float32Array> {
    if (pooled.length === 0 || pooled.length > maxWords) {
      throw new InvalidArgumentError(
        `state: takes 1 to ${maxWords} words, got ${pooled.length}; give the last ones`,
      );
    }
    const rows = new Float32Array(maxWords * size);
    pooled.forEach((vectors, i) => rows.set(vectors, i * size));
    const { data } = await trunk(params, { data: rows, shape: [maxWords * prefixes, width] });
    return (data as Float32Array).slice((pooled.length - 1) * size, pooled.length * size);
  }

  /** Logits of all units of a word whose first ones are known, [maxUnits, 1 + units]. */
  async function logitsOf(from: Float32Array, word: ArrayLike<number>): Promise<Float32Array> {
    const ids = new Int32Array(maxUnits - 1);
    ids.set(Array.from(word).slice(0, maxUnits - 1));
    const { data } = await decoder(
      params,
      { data: from, shape: [1, prefixes, width] },
      { data: ids, shape: [1, maxUnits - 1] },
    );
    return data as Float32Array;
  }

  const rowOf = (logits: Float32Array, k: number): Float32Array =>
    logits.subarray(k * vocabulary, (k + 1) * vocabulary);

  async function decode(from: Float32Array, choice: UnitChoice): Promise<number[]> {
    const word: number[] = [];
    while (word.length < maxUnits) {
      // oxlint-disable-next-line no-await-in-loop -- a unit needs those before it
      const logits = rowOf(await logitsOf(from, word), word.length);
      const unit =
        choice === "greedy"
          ? argmax(logits)
          : choice.rng.categorical(softmax(logits, choice.temperature));
      if (unit === 0) break;
      word.push(unit);
    }
    return word;
  }

  async function score(from: Float32Array, word: ArrayLike<number>): Promise<number> {
    check(word, "score");
    const { ids } = packWords([word], maxUnits);
    const logits = await logitsOf(from, word);
    let sum = 0;
    for (let k = 0; k < Math.min(word.length + 1, maxUnits); k++) {
      sum += logSoftmax(rowOf(logits, k))[ids[k]];
    }
    return sum;
  }

  return {
    pool,
    state,
    decode,
    score,
    async dispose() {
      await Promise.all([encoder, trunk, decoder].map((program) => program.dispose()));
    },
  };
}
