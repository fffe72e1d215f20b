/**
 * Word-pooled language model: the units of a word are pooled to a few vectors, a model of words runs over these, and the units of the next word are decoded
 * from its state, for all words at once.
 *
 * Thawani, Ghanekar, Zhu, Pujara, "Learn Your Tokens: Word-Pooled Tokenization for Language Modeling", 2023, arXiv:2310.11628.
 *
 *   pool:   [prefixes; units] + places -> encoder, all units of a word see each other -> the rows of the prefixes
 *   states: rows of all words + places -> trunk, causal
 *   decode: [state of word i; units of word i + 1] + places -> decoder, causal -> logits from the last row of the state on
 *
 * Letters: p prefixes, c0 maxUnits, t words. Departures: real units attend to real ones (the authors' mask is the other way round); places are added once to
 * the decoder's units; norms first and a last norm in all three stacks; unit 0 ends a word and is no unit of the base; by default only the first padding counts
 * in the loss; no dropout; longer words are cut, and white space belongs to the word behind it, so that the words are the text.
 */
import {
  add,
  attention,
  broadcastTo,
  concat,
  crossEntropy,
  expandDims,
  gather,
  type HostTensor,
  iota,
  less,
  matmul,
  reshape,
  slice,
  type Tensor,
  where,
} from "@veridraft/autodiff";
import {
  type Block,
  initTransformer,
  type Norm,
  normal,
  type Transformer,
  type TransformerConfig,
  transformRows,
} from "@veridraft/autodiff/nn";
import { InvalidArgumentError, type Rng, type RngKey } from "@veridraft/core-probs";
import { z } from "zod";
import { canvasTargets, type PackedWords, type PaddingLoss, sliceWords } from "./words.ts";

/** The sizes of the network. */
export const wordPooledConfig = z.strictObject({
  units: z.int().positive().default(256).describe("Base units, without the end of a word."),
  prefixes: z.int().positive().default(4).describe("Vectors that a word is pooled to."),
  maxUnits: z.int().positive().default(16).describe("Units of the longest word."),
  maxWords: z.int().positive().default(192).describe("Words of a context."),
  width: z.int().positive().default(512).describe("Width of all rows."),
  layers: z.int().positive().default(8).describe("Blocks of the trunk."),
  heads: z.int().positive().default(8).describe("Heads of all blocks."),
  smallLayers: z.int().positive().default(2).describe("Blocks of the encoder and of the decoder."),
});
export type WordPooledConfig = z.output<typeof wordPooledConfig>;

/** Blocks with places and a last norm. */
type Stack<T> = {
  /** [rows, width] */
  readonly positions: T;
  readonly blocks: readonly Block<T>[];
  readonly norm: Norm<T>;
};

/** Parameters of the network. */
export type WordPooled<T> = {
  /** [1 + units + prefixes, width]: the end of a word, the units, the prefixes. */
  readonly embedding: T;
  readonly encoder: Stack<T>;
  readonly trunk: Stack<T>;
  /** Its places are the encoder's. */
  readonly decoder: Omit<Stack<T>, "positions">;
  /** [width, 1 + units] */
  readonly head: T;
};

/** The blocks of one of the three stacks. */
function stackConfig(config: WordPooledConfig, layers: number, rows: number): TransformerConfig {
  const { width, heads } = config;
  return {
    vocabSize: 1,
    contextLength: rows,
    layers,
    width,
    heads,
    hidden: 4 * width,
    mlp: "gelu",
    norm: "layer",
    rotaryBase: null,
    tied: true,
    bias: true,
  };
}

/** First values. @param deviation Of the weights; by default GPT-2's. */
export function initWordPooled(
  config: WordPooledConfig,
  rng: Rng,
  deviation = 0.02,
): WordPooled<HostTensor> {
  const { units, prefixes, maxUnits, maxWords, layers, smallLayers, width } = config;
  const stack = (count: number, rows: number): Stack<HostTensor> => {
    const { positions, blocks, norm } = initTransformer(
      stackConfig(config, count, rows),
      rng,
      deviation,
    ) as Transformer<HostTensor> & { readonly positions: HostTensor };
    return { positions, blocks, norm };
  };
  const { blocks, norm } = stack(smallLayers, 1);
  return {
    embedding: normal([1 + units + prefixes, width], deviation, rng),
    encoder: stack(smallLayers, prefixes + maxUnits),
    trunk: stack(layers, maxWords * prefixes),
    decoder: { blocks, norm },
    head: normal([width, 1 + units], deviation, rng),
  };
}

/**
 * Vectors of words, [words, prefixes, width].
 *
 * @param ids int32 [words, maxUnits] @param lengths int32 [words]
 */
export function poolWords(
  { embedding, encoder }: WordPooled<Tensor>,
  config: WordPooledConfig,
  ids: Tensor,
  lengths: Tensor,
): Tensor {
  const { units, prefixes, width, maxUnits, smallLayers } = config;
  const rows = prefixes + maxUnits;
  const first = slice(embedding, 0, 1 + units);
  const prefix = broadcastTo(expandDims(first, 0), [ids.shape[0], prefixes, width]);
  const canvas = add(concat([prefix, gather(embedding, ids)], 1), encoder.positions);
  const visible = less(iota(rows), reshape(add(lengths, prefixes), [-1, 1, 1, 1]));
  const bias = where(visible, 0, -Infinity);
  const pooled = transformRows(encoder, canvas, stackConfig(config, smallLayers, rows), {
    attend: (q, k, v) => attention(q, k, v, { bias }),
  });
  return slice(pooled, 1, 0, prefixes);
}

/** States of words, [batch, words * prefixes, width], of their vectors in the same form: those of word i know the words up to i. */
export function wordStates(
  { trunk }: WordPooled<Tensor>,
  config: WordPooledConfig,
  pooled: Tensor,
): Tensor {
  const rows = pooled.shape[1] as number;
  const places = slice(trunk.positions, 0, 0, rows);
  return transformRows(trunk, add(pooled, places), stackConfig(config, config.layers, rows));
}

/**
 * Logits of the units of the next word, [words, k + 1, 1 + units]: row j knows the units before j.
 *
 * @param states [words, prefixes, width] @param units int32 [words, k], the first of the next word.
 */
export function decodeWords(
  { embedding, encoder, decoder, head }: WordPooled<Tensor>,
  config: WordPooledConfig,
  states: Tensor,
  units: Tensor,
): Tensor {
  const { prefixes, smallLayers } = config;
  const rows = prefixes + (units.shape[1] as number);
  const places = slice(encoder.positions, 0, 0, rows);
  const canvas = add(concat([states, gather(embedding, units)], 1), places);
  const decoded = transformRows(decoder, canvas, stackConfig(config, smallLayers, rows));
  return matmul(slice(decoded, 1, prefixes - 1), head);
}

/**
 * Logits of all words but the first of windows, given the words before, [batch * (words - 1), maxUnits, 1 + units].
 *
 * @param ids int32 [batch, words, maxUnits] @param lengths int32 [batch, words]
 */
export function wordPooledLogits(
  params: WordPooled<Tensor>,
  config: WordPooledConfig,
  ids: Tensor,
  lengths: Tensor,
): Tensor {
  const { prefixes, width, maxUnits } = config;
  const [batch, words] = ids.shape as readonly number[];
  const flat = reshape(ids, [batch * words, maxUnits]);
  const pooled = poolWords(params, config, flat, reshape(lengths, [batch * words]));
  const states = wordStates(params, config, reshape(pooled, [batch, words * prefixes, width]));
  const before = slice(reshape(states, [batch, words, prefixes, width]), 1, 0, -1);
  const next = reshape(slice(ids, 1, 1), [batch * (words - 1), maxUnits]);
  return decodeWords(
    params,
    config,
    reshape(before, [batch * (words - 1), prefixes, width]),
    slice(next, 1, 0, -1),
  );
}

/** Windows of words, their lengths, and the weights of their units as targets, [batch * (words - 1), maxUnits]. */
export type WordBatch = [ids: HostTensor, lengths: HostTensor, mask: HostTensor];

/** The mean of -ln p over the units of all words but the first, weighted by the mask, as a function to differentiate. */
export function wordPooledLoss(
  config: WordPooledConfig,
): (params: WordPooled<Tensor>, ids: Tensor, lengths: Tensor, mask: Tensor) => Tensor {
  return (params, ids, lengths, mask) => {
    const targets = reshape(slice(ids, 1, 1), [-1, config.maxUnits]);
    return crossEntropy(wordPooledLogits(params, config, ids, lengths), targets, { mask });
  };
}

/** Windows of equal length as a batch. */
export function wordBatch(
  windows: readonly PackedWords[],
  padding: PaddingLoss = "end",
): WordBatch {
  const [{ count, maxUnits }] = windows;
  const batch = windows.length;
  const ids = new Int32Array(batch * count * maxUnits);
  const lengths = new Int32Array(batch * count);
  const mask = new Float32Array(batch * (count - 1) * maxUnits);
  windows.forEach((window, i) => {
    ids.set(window.ids, i * count * maxUnits);
    lengths.set(window.lengths, i * count);
    mask.set(canvasTargets(window, padding).mask, i * (count - 1) * maxUnits);
  });
  return [
    { data: ids, shape: [batch, count, maxUnits] },
    { data: lengths, shape: [batch, count] },
    { data: mask, shape: [batch * (count - 1), maxUnits] },
  ];
}

/**
 * Random windows of a text, for `train`.
 *
 * @param size Windows of a batch. @param length Words of a window.
 * @throws InvalidArgumentError where the text is shorter than a window.
 */
export function wordBatches(
  words: PackedWords,
  size: number,
  length: number,
  key: RngKey,
  padding: PaddingLoss = "end",
): (step: number) => Generator<WordBatch, never> {
  if (words.count < length) {
    throw new InvalidArgumentError(
      `wordBatches: a window has ${length} words, but the text only ${words.count}; shorten the window`,
    );
  }
  return function* from(step) {
    for (let at = step; ; at++) {
      const rng = key.at(at, "sample");
      const windows = Array.from({ length: size }, () => {
        const start = Math.floor(rng.uniform() * (words.count - length + 1));
        return sliceWords(words, start, start + length);
      });
      yield wordBatch(windows, padding);
    }
  };
}
