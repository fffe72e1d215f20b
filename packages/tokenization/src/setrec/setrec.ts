/**
 * SETRec: an item is a set of continuous tokens without an order, one of what users did and some of its text; one forward gives all tokens of the next
 * item, and dot products with the tokens of all items find it.
 *
 * Lin et al., "Order-agnostic Identifier for Large Language Model-based Generative Recommendation", 2025, arXiv:2502.10833.
 *
 *   tokens: [project(cf), encode(text) cut into n]                       for every item
 *   rows:   [instruction; tokens of the items of the history; text after; queries] -> transformer, mask and places of `set-input.ts`
 *   score:  s_k(item) = <output of query k, token k of the item>
 *   loss:   the mean over k of the cross-entropy of s_k over all items, + alpha * the squared error of decode(encode(text)) over the history
 *
 * Letters: q tokens of an item, n semantic tokens. Departures: a small transformer with learned rows of instruction in place of T5 or Qwen; the sparse mask
 * holds in all layers, and is an input; places without gaps; no dropout; beta is the caller's, to be chosen on validation data.
 */
import {
  add,
  attention,
  broadcastTo,
  cast,
  concat,
  constant,
  crossEntropy,
  div,
  expandDims,
  gather,
  greater,
  type HostTensor,
  logicalAnd,
  matmul,
  maximum,
  mean,
  mul,
  relu,
  reshape,
  scalar,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
  where,
} from "@veridraft/autodiff";
import {
  type Block,
  initLinear,
  initTransformer,
  type Linear,
  linear,
  type Norm,
  normal,
  type TransformerConfig,
  transformRows,
} from "@veridraft/autodiff/nn";
import type { Rng } from "@veridraft/core-probs";
import { z } from "zod";
import { type SetLayout, setPositions } from "./set-input.ts";

/** The sizes of the network. */
export const setRecConfig = z.strictObject({
  history: z.int().positive().default(50).describe("Items of a history."),
  collaborative: z.boolean().default(true).describe("Whether an item has a collaborative token."),
  semantic: z.int().min(0).default(4).describe("Semantic tokens of an item."),
  collaborativeWidth: z.int().positive().default(64).describe("Width of collaborative vectors."),
  textWidth: z.int().positive().default(768).describe("Width of text vectors."),
  encoder: z
    .array(z.int().positive())
    .default([512, 256, 128])
    .describe("Widths between a text vector and its tokens; the decoder has them in reverse."),
  alpha: z.number().min(0).default(0.7).describe("Weight of the reconstruction of text vectors."),
  before: z.int().positive().default(1).describe("Rows of instruction."),
  after: z.int().min(0).default(1).describe("Rows between the history and the queries."),
  width: z.int().positive().default(64).describe("Width of the transformer."),
  layers: z.int().positive().default(2).describe("Its blocks."),
  heads: z.int().positive().default(4).describe("Its heads."),
});
export type SetRecConfig = z.output<typeof setRecConfig>;

/** Parameters of the network. */
export type SetRec<T> = {
  /** Of collaborative vectors; absent without a collaborative token. */
  readonly project?: Linear<T>;
  readonly encode: readonly Linear<T>[];
  readonly decode: readonly Linear<T>[];
  /** [before, width] */
  readonly instruction: T;
  /** [after, width] */
  readonly response: T;
  /** [tokens of an item, width] */
  readonly queries: T;
  readonly blocks: readonly Block<T>[];
  readonly norm: Norm<T>;
};

/** The vectors of all items; row 0 is no item, and 0. */
export interface Catalogue<T> {
  readonly [name: string]: T;
  /** [1 + items, collaborativeWidth]; 0 for items that nobody has bought. */
  readonly collaborative: T;
  /** [1 + items, textWidth] */
  readonly text: T;
}

/** Tokens of an item. */
export function itemTokensOf({ collaborative, semantic }: SetRecConfig): number {
  return Number(collaborative) + semantic;
}

/** The rows of a prompt. */
export function layoutOf(config: SetRecConfig): SetLayout {
  const tokens = itemTokensOf(config);
  const { before, after, history } = config;
  return { before, items: history, itemTokens: tokens, after, queries: tokens };
}

function blocksConfig({ width, layers, heads }: SetRecConfig): TransformerConfig {
  return {
    vocabSize: 1,
    contextLength: 1,
    layers,
    width,
    heads,
    hidden: 4 * width,
    mlp: "gelu",
    norm: "layer",
    rotaryBase: 10_000,
    tied: true,
    bias: true,
  };
}

/** First values. @param deviation Of the transformer's; by default GPT-2's. */
export function initSetRec(config: SetRecConfig, rng: Rng, deviation = 0.02): SetRec<HostTensor> {
  const { collaborative, collaborativeWidth, semantic, textWidth, width, encoder } = config;
  const { blocks, norm } = initTransformer(blocksConfig(config), rng, deviation);
  const widths = [textWidth, ...encoder, semantic * width];
  const stack = (sizes: readonly number[]): Linear<HostTensor>[] =>
    sizes.slice(1).map((outputs, i) =>
      initLinear(sizes[i], outputs, rng, {
        // Xavier's normal values.
        deviation: Math.sqrt(2 / (sizes[i] + outputs)),
        bias: true,
      }),
    );
  return {
    ...(collaborative && {
      project: initLinear(collaborativeWidth, width, rng, { bias: true }),
    }),
    encode: semantic > 0 ? stack(widths) : [],
    decode: semantic > 0 ? stack(widths.toReversed()) : [],
    instruction: normal([config.before, width], deviation, rng),
    response: normal([config.after, width], deviation, rng),
    queries: normal([itemTokensOf(config), width], deviation, rng),
    blocks,
    norm,
  };
}

const runStack = (layers: readonly Linear<Tensor>[], rows: Tensor): Tensor =>
  layers.reduce((x, layer, i) => linear(layer, i === 0 ? x : relu(x)), rows);

/** The tokens of all rows of a catalogue, [1 + items, tokens, width]. */
export function itemTokens(
  { project, encode }: SetRec<Tensor>,
  { semantic, width }: SetRecConfig,
  { collaborative, text }: Catalogue<Tensor>,
): Tensor {
  const parts: Tensor[] = [];
  if (project) parts.push(expandDims(linear(project, collaborative), 1));
  if (semantic > 0) parts.push(reshape(runStack(encode, text), [-1, semantic, width]));
  return parts.length === 1 ? parts[0] : concat(parts, 1);
}

/**
 * The outputs of the queries, [batch, queries, width].
 *
 * @param rows Tokens of the histories, [batch, history * tokens, width]. @param present float32 [batch, history], 0 for what is no item.
 * @param mask bool [rows, rows], as {@link setMask} gives it.
 */
export function answerQueries(
  { instruction, response, queries, blocks, norm }: SetRec<Tensor>,
  config: SetRecConfig,
  rows: Tensor,
  present: Tensor,
  mask: Tensor,
): Tensor {
  const [batch] = rows.shape as readonly number[];
  const count = queries.shape[0] as number;
  const layout = { ...layoutOf(config), queries: count };
  const repeat = (x: Tensor): Tensor => broadcastTo(expandDims(x, 0), [batch, ...x.shape]);
  const x = concat([repeat(instruction), rows, repeat(response), repeat(queries)], 1);
  const positions = setPositions(layout);
  const always = (size: number): Tensor => broadcastTo(scalar(1), [batch, size]);
  const tokens = [batch, layout.items, layout.itemTokens];
  const items = reshape(broadcastTo(expandDims(present, 2), tokens), [batch, -1]);
  const keys = concat([always(layout.before), items, always(layout.after + count)], 1);
  const visible = logicalAnd(mask, greater(reshape(keys, [batch, 1, 1, positions.length]), 0));
  const bias = where(visible, 0, -Infinity);
  const hidden = transformRows({ blocks, norm }, x, blocksConfig(config), {
    positions: constant(positions),
    attend: (q, k, v) => attention(q, k, v, { bias }),
  });
  return slice(hidden, 1, positions.length - count);
}

/**
 * Scores of all items for the next one of histories, by token, [tokens, batch, items].
 *
 * @param items int32 [batch, history], numbered from 1, 0 where there is none: on the left.
 */
export function setScores(
  params: SetRec<Tensor>,
  config: SetRecConfig,
  catalogue: Catalogue<Tensor>,
  items: Tensor,
  mask: Tensor,
): Tensor {
  const tokens = itemTokens(params, config, catalogue);
  const rows = reshape(gather(tokens, items), [items.shape[0], -1, config.width]);
  const present = cast(greater(items, 0), "float32");
  const outputs = answerQueries(params, config, rows, present, mask);
  const table = transpose(slice(tokens, 0, 1), [1, 0, 2]);
  return matmul(transpose(outputs, [1, 0, 2]), table, { transposeB: true });
}

/** The mean cross-entropy of the next items over tokens and batch. @param scores [tokens, batch, items] @param next int32 [batch], from 0 */
export function groundingLoss(scores: Tensor, next: Tensor): Tensor {
  const [tokens, batch] = scores.shape;
  return crossEntropy(scores, broadcastTo(expandDims(next, 0), [tokens, batch]));
}

/**
 * The mean squared error of text vectors over the items of histories, each as often as it occurs.
 *
 * @param rebuilt [1 + items, width] @param text alike @param items int32 [batch, history], 0 where there is none
 */
export function reconstructionLoss(rebuilt: Tensor, text: Tensor, items: Tensor): Tensor {
  const errors = mean(square(sub(rebuilt, text)), -1);
  const present = cast(greater(items, 0), "float32");
  return div(sum(mul(gather(errors, items), present)), maximum(sum(present), 1));
}

/**
 * The loss as a function to differentiate.
 *
 * @returns Of parameters, the catalogue, histories as in {@link setScores}, the next items int32 [batch] numbered from 0, and the mask.
 */
export function setRecLoss(
  config: SetRecConfig,
): (
  params: SetRec<Tensor>,
  catalogue: Catalogue<Tensor>,
  items: Tensor,
  next: Tensor,
  mask: Tensor,
) => Tensor {
  return (params, catalogue, items, next, mask) => {
    const found = groundingLoss(setScores(params, config, catalogue, items, mask), next);
    if (config.semantic === 0) return found;
    const rebuilt = runStack(params.decode, runStack(params.encode, catalogue.text));
    return add(found, mul(reconstructionLoss(rebuilt, catalogue.text, items), config.alpha));
  };
}
