/**
 * Training of a draft head (see draft-head.ts): the network on tensors of `@veridraft/autodiff`, and its loss.
 *
 * With x_1 the token that the target drew where its hidden states were r: s_0 = W_taps [rms(r) of each layer]. Step j, from token x_{j+1}:
 * z = W_mix [rms(s_j) g_state; rms(E x_{j+1}) g_token], s_{j+1} = z + W_down (silu(W_gate u) * W_up u) with u = rms(z) g_inner, and logits E' (rms(s_{j+1}) g_output)
 * over the ids that it can say. E and E', what the target reads and says tokens with, stay as they are.
 *
 * Loss: at every position of an answer a few steps on the true tokens, the cross-entropy to the target's likeliest tokens with the probabilities that they
 * have, those that the head cannot say left out, each step weighing 0.8 times the one before. As all steps see only their anchor, rows are independent.
 *
 * First values: normal with 1 / sqrt(inputs), half of it in W_down; g_output 0.12 times the target's own gain, at which the loss begins near ln n in place of at 13.
 * No residual around the mixing: a second token is guessed better without.
 */
import {
  add,
  concat,
  constant,
  gatherAlong,
  type HostTensor,
  logSumExp,
  matmul,
  mean,
  mul,
  reshape,
  rmsNorm,
  slice,
  squeeze,
  sub,
  sum,
  type Tensor,
} from "@veridraft/autodiff";
import {
  feedForward,
  initLinear,
  initMlp,
  initNorm,
  type Linear,
  linear,
  type Mlp,
  type Norm,
  normalize,
} from "@veridraft/autodiff/nn";
import type { Rng } from "@veridraft/core-probs";

/** Parameters; T is a tensor within a traced function, a host array outside. */
export type HeadParams<T> = {
  /** [tapWidth, width] */
  readonly taps: Linear<T>;
  /** [2 width, width] */
  readonly mix: Linear<T>;
  readonly mlp: Mlp<T>;
  readonly state: Norm<T>;
  readonly token: Norm<T>;
  readonly inner: Norm<T>;
  readonly output: Norm<T>;
};

/** Sizes of a head. */
export interface HeadSizes {
  /** Of the target's embedding. */
  readonly width: number;
  /** A multiple of the width. */
  readonly tapWidth: number;
  /** Inside of the feed-forward layer. */
  readonly hidden: number;
}

/** As {@link rmsNorm} and the serving network have it. */
export const epsilon = 1e-5;
/** Tokens that are read after an anchor, as many as are guessed. */
export const unroll = 2;
/** What a step weighs against the one before. */
const decay = 0.8;

/** The logits [rows, n] of each step, of parameters in tensors, from a batch's hidden states and tokens, and what tokens are said with. */
export type DraftLogits<P> = (params: P, taps: Tensor, tokens: Tensor, output: Tensor) => Tensor[];

/** A kind of draft that can be trained: H are its parameters on the host, P the same as tensors. */
export interface DraftKind<H, P> {
  /** Anchors that stand side by side in a batch, of one text; 1 where each is seen alone. */
  readonly window: number;
  /** First values. @param outputGain [width] that of the norm before the target's own output layer. */
  init(sizes: HeadSizes, outputGain: Float32Array, rng: Rng): H;
  readonly logits: DraftLogits<P>;
}

/** A norm before what the target says tokens with: 0.12 times the target's own gain. */
export function initOutput(gain: Float32Array): Norm<HostTensor> {
  return { weight: { data: gain.map((each) => 0.12 * each), shape: [gain.length] } };
}

/** First values. @param outputGain [width] that of the norm before the target's own output layer. */
function initHead(
  { width, tapWidth, hidden }: HeadSizes,
  outputGain: Float32Array,
  rng: Rng,
): HeadParams<HostTensor> {
  const taps = initLinear(tapWidth, width, rng);
  const mix = initLinear(2 * width, width, rng);
  const mlp = initMlp("swiglu", width, hidden, rng);
  const down = initLinear(hidden, width, rng, { deviation: 0.5 * hidden ** -0.5 });
  return {
    taps,
    mix,
    mlp: { ...mlp, down },
    state: initNorm("rms", width),
    token: initNorm("rms", width),
    inner: initNorm("rms", width),
    output: initOutput(outputGain),
  };
}

/**
 * The logits of each step.
 *
 * @param taps [rows, tapWidth] @param tokens [rows, steps, width] the target's embedding of the tokens that are read. @param said [n, width] what tokens are said with.
 * @returns [rows, n] each.
 */
function headLogits(
  params: HeadParams<Tensor>,
  taps: Tensor,
  tokens: Tensor,
  said: Tensor,
): Tensor[] {
  let state = entered(params, taps, tokens);
  return Array.from({ length: tokens.shape[1] as number }, (_, j) => {
    const mixed = mixIn(params, state, tokens, j);
    const inner = normalize(params.inner, mixed, epsilon);
    state = add(mixed, feedForward("swiglu", params.mlp, inner));
    return say(params.output, state, said);
  });
}

/** Logits of what a row says. @param said [n, width] what tokens are said with. */
export function say(norm: Norm<Tensor>, row: Tensor, said: Tensor): Tensor {
  return matmul(normalize(norm, row, epsilon), said, { transposeB: true });
}

/** Hidden states over their root mean square. @param hidden [..., width] */
export function even(hidden: Tensor): Tensor {
  const ones = new Float32Array(hidden.shape.at(-1) as number).fill(1);
  return rmsNorm(hidden, constant(ones), { epsilon });
}

/** The state that the hidden states make. */
export function entered(
  params: Pick<HeadParams<Tensor>, "taps">,
  taps: Tensor,
  tokens: Tensor,
): Tensor {
  const [rows, tapWidth] = taps.shape as number[];
  const width = tokens.shape[2] as number;
  const layers = even(reshape(taps, [rows, tapWidth / width, width]));
  return linear(params.taps, reshape(layers, [rows, tapWidth]));
}

/** A state and the token of a step, mixed. */
export function mixIn(
  params: Pick<HeadParams<Tensor>, "mix" | "state" | "token">,
  state: Tensor,
  tokens: Tensor,
  step: number,
): Tensor {
  const token = squeeze(slice(tokens, 1, step, step + 1), 1);
  const pair = [normalize(params.state, state, epsilon), normalize(params.token, token, epsilon)];
  return linear(params.mix, concat(pair, -1));
}

/** A batch of anchors, and what the target says after each of the tokens that are read. */
export interface HeadBatch<T> {
  /** [rows, tapWidth] */
  readonly taps: T;
  /** [rows, steps, width] */
  readonly tokens: T;
  /** int32 [rows, steps, k] places in the head's ids of the target's likeliest tokens. */
  readonly places: T;
  /** [rows, steps, k] their probabilities; 0 for those that the head cannot say, and where the text has ended. */
  readonly probs: T;
}

/** Mean over anchors of the weighted cross-entropy, in nats, as a function of parameters, what tokens are said with, and a batch. */
export function draftLoss<P>(
  logits: DraftLogits<P>,
): (params: P, output: Tensor, batch: HeadBatch<Tensor>) => Tensor {
  return (params, output, { taps, tokens, places, probs }) => {
    const losses = logits(params, taps, tokens, output).map((rows, j) => {
      const at = (x: Tensor): Tensor => squeeze(slice(x, 1, j, j + 1), 1);
      const weights = at(probs);
      const said = sum(mul(weights, gatherAlong(rows, at(places))), -1);
      const loss = sub(mul(logSumExp(rows, -1), sum(weights, -1)), said);
      return mul(mean(loss), decay ** j);
    });
    return losses.reduce((total, each) => add(total, each));
  };
}

/** The head that is served. */
export const recurrentHead: DraftKind<HeadParams<HostTensor>, HeadParams<Tensor>> = {
  window: 1,
  init: initHead,
  logits: headLogits,
};
