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
const epsilon = 1e-5;
/** What a step weighs against the one before. */
const decay = 0.8;

/** First values. @param outputGain [width] that of the norm before the target's own output layer. */
export function initHead(
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
    output: { weight: { data: outputGain.map((gain) => 0.12 * gain), shape: [width] } },
  };
}

/**
 * The logits of each step.
 *
 * @param taps [rows, tapWidth] @param tokens [rows, steps, width] the target's embedding of the tokens that are read. @param output [n, width] what tokens are said with.
 * @returns [rows, n] each.
 */
export function headLogits(
  params: HeadParams<Tensor>,
  taps: Tensor,
  tokens: Tensor,
  output: Tensor,
): Tensor[] {
  const [rows, steps, width] = tokens.shape as number[];
  const layers = (taps.shape[1] as number) / width;
  const ones = constant(new Float32Array(width).fill(1));
  const even = rmsNorm(reshape(taps, [rows, layers, width]), ones, { epsilon });
  let state = linear(params.taps, reshape(even, [rows, layers * width]));
  return Array.from({ length: steps }, (_, j) => {
    const token = squeeze(slice(tokens, 1, j, j + 1), 1);
    const pair = [normalize(params.state, state, epsilon), normalize(params.token, token, epsilon)];
    const mixed = linear(params.mix, concat(pair, -1));
    const inner = normalize(params.inner, mixed, epsilon);
    state = add(mixed, feedForward("swiglu", params.mlp, inner));
    return matmul(normalize(params.output, state, epsilon), output, { transposeB: true });
  });
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

/** Mean over anchors of the weighted cross-entropy, in nats. @param output [n, width] what tokens are said with. */
export function headLoss(
  params: HeadParams<Tensor>,
  output: Tensor,
  { taps, tokens, places, probs }: HeadBatch<Tensor>,
): Tensor {
  const losses = headLogits(params, taps, tokens, output).map((logits, j) => {
    const at = (x: Tensor): Tensor => squeeze(slice(x, 1, j, j + 1), 1);
    const weights = at(probs);
    const said = sum(mul(weights, gatherAlong(logits, at(places))), -1);
    const loss = sub(mul(logSumExp(logits, -1), sum(weights, -1)), said);
    return mul(mean(loss), decay ** j);
  });
  return losses.reduce((total, each) => add(total, each));
}
