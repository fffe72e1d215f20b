/**
 * A decoder transformer, from GPT to Llama by its configuration: x += attention(norm(x)), x += feedForward(norm(x)), layer by layer, between an embedding
 * and a head.
 *
 * Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762; norms first as in GPT-2; RMS norms, rotary positions and SwiGLU as in Touvron et
 * al., "LLaMA: Open and Efficient Foundation Language Models", 2023, arXiv:2302.13971.
 */
import { InvalidArgumentError, type Rng } from "@veridraft/core-probs";
import { attention, rotary } from "../operations/attention.ts";
import { add } from "../operations/elementwise.ts";
import { gather, iota } from "../operations/indexing.ts";
import { matmul } from "../operations/matmul.ts";
import { reshape, transpose } from "../operations/shape.ts";
import type { HostTensor } from "../runner.ts";
import type { Tensor } from "../tensor.ts";
import { normal } from "./init.ts";
import {
  feedForward,
  initLinear,
  initMlp,
  initNorm,
  type Linear,
  linear,
  type Mlp,
  type MlpKind,
  type Norm,
  normalize,
  type NormKind,
} from "./layers.ts";
import { type Angles, rotaryAngles } from "./positions.ts";

/** The sizes and kinds of a transformer. */
export interface TransformerConfig {
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  /** Heads of keys and values, which divide `heads`; by default as many. */
  readonly kvHeads?: number;
  /** By default width / heads. */
  readonly headDim?: number;
  /** Rows between the two matrices of a feed-forward layer. */
  readonly hidden: number;
  readonly mlp: MlpKind;
  readonly norm: NormKind;
  /** By default 1e-5. */
  readonly epsilon?: number;
  /** The base of rotary positions; null for learned ones. */
  readonly rotaryBase: number | null;
  /** By pair, what its angle is divided by. By default 1. */
  readonly rotaryDivisors?: readonly number[];
  /** Whether the head is the embedding, too. */
  readonly tied: boolean;
  /** Whether linear layers have a bias. By default not. */
  readonly bias?: boolean;
}

/** Parameters of a block. */
export type Block<T> = {
  readonly attentionNorm: Norm<T>;
  readonly query: Linear<T>;
  readonly key: Linear<T>;
  readonly value: Linear<T>;
  readonly output: Linear<T>;
  readonly mlpNorm: Norm<T>;
  readonly mlp: Mlp<T>;
};

/** Parameters of a transformer. */
export type Transformer<T> = {
  /** [vocabSize, width] */
  readonly embedding: T;
  /** [contextLength, width], where positions are learned. */
  readonly positions?: T;
  readonly blocks: readonly Block<T>[];
  readonly norm: Norm<T>;
  /** Absent where the head is the embedding. */
  readonly head?: Linear<T>;
};

/**
 * Attention of a layer.
 *
 * @param q [batch, heads, sequence, headDim] @param k [batch, kvHeads, sequence, headDim] @param v like k
 * @returns [batch, heads, sequence, headDim]
 */
export type Attend = (q: Tensor, k: Tensor, v: Tensor, layer: number) => Tensor;

/** How rows see each other, and where they stand. */
export interface TransformerOptions {
  /** By default causal: each row sees itself and those before it. */
  readonly attend?: Attend;
  /** int32 or int64, [sequence] or [batch, sequence]; by default 0, 1, 2 ... */
  readonly positions?: Tensor;
  /** Of rotary positions; by default those of `positions`. For images: `gridAngles`. */
  readonly angles?: Angles;
  /** Is given the rows after each block, [batch, sequence, width]: hidden states to put out or to train on. */
  readonly onRows?: (rows: Tensor, layer: number) => void;
}

const defaultEpsilon = 1e-5;

const causal: Attend = (q, k, v) => attention(q, k, v, { causal: true });

/** @throws InvalidArgumentError where heads do not divide the width, or kvHeads the heads. */
export function headsOf({
  width,
  heads,
  kvHeads = heads,
  headDim = width / heads,
}: TransformerConfig): {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
} {
  if (!Number.isInteger(headDim) || !Number.isInteger(heads / kvHeads)) {
    throw new InvalidArgumentError(
      `transformer: ${heads} heads must divide the width ${width}, and ${kvHeads} heads of keys and values the ${heads} heads`,
    );
  }
  return { heads, kvHeads, headDim };
}

/**
 * First values as GPT-2's: normal with deviation 0.02, and 0.02 / sqrt(2 layers) where a block adds to its rows.
 *
 * @param deviation In place of 0.02.
 */
export function initTransformer(
  config: TransformerConfig,
  rng: Rng,
  deviation = 0.02,
): Transformer<HostTensor> {
  const { vocabSize, contextLength, layers, width, hidden, mlp, norm, rotaryBase, tied, bias } =
    config;
  const { heads, kvHeads, headDim } = headsOf(config);
  const options = { deviation, bias };
  const adding = { deviation: deviation / Math.sqrt(2 * layers), bias };
  const block = (): Block<HostTensor> => ({
    attentionNorm: initNorm(norm, width),
    query: initLinear(width, heads * headDim, rng, options),
    key: initLinear(width, kvHeads * headDim, rng, options),
    value: initLinear(width, kvHeads * headDim, rng, options),
    output: initLinear(heads * headDim, width, rng, adding),
    mlpNorm: initNorm(norm, width),
    mlp: {
      ...initMlp(mlp, width, hidden, rng, options),
      down: initLinear(hidden, width, rng, adding),
    },
  });
  return {
    embedding: normal([vocabSize, width], deviation, rng),
    ...(rotaryBase === null && { positions: normal([contextLength, width], deviation, rng) }),
    blocks: Array.from({ length: layers }, block),
    norm: initNorm(norm, width),
    ...(!tied && { head: initLinear(width, vocabSize, rng, { deviation }) }),
  };
}

/**
 * Hidden states after the last norm, [batch, sequence, width].
 *
 * @param ids int32 or int64 [batch, sequence]
 * @throws ShapeError where parameters do not fit the configuration.
 */
export function transformer(
  params: Transformer<Tensor>,
  ids: Tensor,
  config: TransformerConfig,
  options: TransformerOptions = {},
): Tensor {
  const { positions = iota(ids.shape[1]) } = options;
  const rows = gather(params.embedding, ids);
  return transformRows(
    params,
    params.positions ? add(rows, gather(params.positions, positions)) : rows,
    config,
    options,
  );
}

/** {@link transformer} from embedded rows [batch, sequence, width] on, for inputs that are no ids. */
export function transformRows(
  { blocks, norm }: Pick<Transformer<Tensor>, "blocks" | "norm">,
  rows: Tensor,
  config: TransformerConfig,
  options: TransformerOptions = {},
): Tensor {
  const { epsilon = defaultEpsilon } = config;
  return normalize(norm, transformBlocks(blocks, rows, config, options), epsilon);
}

/** {@link transformRows} without the last norm: the rows that further blocks go on from. */
export function transformBlocks(
  blocks: readonly Block<Tensor>[],
  rows: Tensor,
  config: TransformerConfig,
  { attend = causal, positions = iota(rows.shape[1]), angles, onRows }: TransformerOptions = {},
): Tensor {
  const { epsilon = defaultEpsilon, mlp, rotaryBase, rotaryDivisors } = config;
  const { headDim } = headsOf(config);
  const turned =
    angles ??
    (rotaryBase === null ? null : rotaryAngles(positions, headDim, rotaryBase, rotaryDivisors));
  let x = rows;
  blocks.forEach((block, layer) => {
    const seen = normalize(block.attentionNorm, x, epsilon);
    x = add(
      x,
      attentionLayer(block, seen, headDim, turned, (q, k, v) => attend(q, k, v, layer)),
    );
    x = add(x, feedForward(mlp, block.mlp, normalize(block.mlpNorm, x, epsilon)));
    onRows?.(x, layer);
  });
  return x;
}

/** Attention between linear layers, [batch, sequence, width]. @param angles Of queries and keys; null turns nothing. */
export function attentionLayer(
  { query, key, value, output }: Pick<Block<Tensor>, "query" | "key" | "value" | "output">,
  x: Tensor,
  headDim: number,
  angles: Angles | null,
  attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor,
): Tensor {
  const [batch, sequence] = x.shape;
  const split = (layer: Linear<Tensor>): Tensor => {
    const rows = reshape(linear(layer, x), [batch, sequence, -1, headDim]);
    return transpose(rows, [0, 2, 1, 3]);
  };
  const turn = (rows: Tensor): Tensor => (angles ? rotary(rows, angles.cos, angles.sin) : rows);
  const attended = attend(turn(split(query)), turn(split(key)), split(value));
  return linear(output, reshape(transpose(attended, [0, 2, 1, 3]), [batch, sequence, -1]));
}

/** Logits [..., vocabSize] of hidden states [..., width]. */
export function logitsOf({ embedding, head }: Transformer<Tensor>, hidden: Tensor): Tensor {
  return head ? linear(head, hidden) : matmul(hidden, embedding, { transposeB: true });
}
