/**
 * Kinds of drafts that a recurrent head is compared with, under equal conditions: trained by the same loss on the same anchors, not served.
 *
 * medusa: Cai et al., "Medusa", 2024, arXiv:2401.10774: a head a position, h + silu(W_j h) of the last hidden state, blind to the tokens in between.
 * eagle: Li et al., "EAGLE", 2024, arXiv:2401.15077, without its loss on features: the recurrent head's input, then a transformer block over the anchors so far. A second
 * step attends to what the first one made of the anchors up to its own, and to itself, as in EAGLE-3 (arXiv:2503.01840).
 * lm: a small language model on the target's embeddings, which sees no hidden states.
 *
 * Departures: attention reaches back over a window of anchors and not over the prompt; the hidden state of medusa is that before the last layer, as that is the last one
 * that is tapped.
 */
import {
  add,
  attention,
  concat,
  constant,
  type HostTensor,
  iota,
  reshape,
  silu,
  slice,
  squeeze,
  type Tensor,
} from "@veridraft/autodiff";
import {
  type Block,
  initLinear,
  initNorm,
  initTransformer,
  type Linear,
  linear,
  type Norm,
  normalize,
  transformBlocks,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import {
  type DraftKind,
  entered,
  epsilon,
  even,
  type HeadParams,
  initOutput,
  mixIn,
  recurrentHead,
  say,
  unroll,
} from "./draft-head-training.ts";

/** Anchors that see each other. */
const window = 32;

export type MedusaParams<T> = { readonly heads: readonly Linear<T>[]; readonly output: Norm<T> };

export const medusa: DraftKind<MedusaParams<HostTensor>, MedusaParams<Tensor>> = {
  window: 1,
  init({ width }, outputGain, rng) {
    return {
      heads: Array.from({ length: unroll }, () => initLinear(width, width, rng)),
      output: initOutput(outputGain),
    };
  },
  logits({ heads, output }, taps, tokens, said) {
    const width = tokens.shape[2] as number;
    const hidden = even(slice(taps, 1, -width));
    return heads.map((head) => say(output, add(hidden, silu(linear(head, hidden))), said));
  },
};

/** Of the blocks of both others. */
const shape = { mlp: "swiglu", norm: "rms", epsilon, rotaryBase: 10_000, tied: true } as const;

function eagleConfig(width: number, hidden: number): TransformerConfig {
  const sizes = { vocabSize: 1, contextLength: window + unroll, layers: 1, heads: width / 64 };
  return { ...shape, ...sizes, width, hidden };
}

export type EagleParams<T> = Omit<HeadParams<T>, "mlp" | "inner"> & { readonly block: Block<T> };

export const eagle: DraftKind<EagleParams<HostTensor>, EagleParams<Tensor>> = {
  window,
  init(sizes, outputGain, rng) {
    const { mlp: _mlp, inner: _inner, ...rest } = recurrentHead.init(sizes, outputGain, rng);
    const { width, hidden } = sizes;
    const { blocks } = initTransformer(eagleConfig(width, hidden), rng, width ** -0.5);
    return { ...rest, block: blocks[0] };
  },
  logits(params, taps, tokens, said) {
    const [rows, steps, width] = tokens.shape as number[];
    const config = eagleConfig(width, (params.block.mlp.up.weight.shape as number[])[1]);
    const past: { k: Tensor; v: Tensor }[] = [];
    let state = entered(params, taps, tokens);
    return Array.from({ length: steps }, (_, j) => {
      const mixed = reshape(mixIn(params, state, tokens, j), [-1, window, width]);
      const seen = transformBlocks([params.block], mixed, config, {
        positions: add(iota(window), constant(Int32Array.of(j))),
        attend(q, k, v) {
          past.push({ k, v });
          const all = (of: "k" | "v"): Tensor =>
            concat(
              past.map((each) => each[of]),
              2,
            );
          return attention(q, all("k"), all("v"), { bias: biasOf(j) });
        },
      });
      state = reshape(seen, [rows, width]);
      return say(params.output, state, said);
    });
  },
};

/** An anchor sees the first step of all up to itself, and of later steps its own. [window, (step + 1) window] */
function biasOf(step: number): Tensor {
  const keys = (step + 1) * window;
  const bias = new Float32Array(window * keys).fill(-Infinity);
  for (let i = 0; i < window; i++) {
    bias.fill(0, i * keys, i * keys + i + 1);
    for (let j = 1; j <= step; j++) bias[i * keys + j * window + i] = 0;
  }
  return constant(bias, [window, keys]);
}

/** Of the language model. */
const small: TransformerConfig = {
  ...shape,
  vocabSize: 1,
  contextLength: window + unroll,
  layers: 3,
  width: 384,
  heads: 6,
  hidden: 1024,
};

export type SmallModelParams<T> = {
  readonly project: Linear<T>;
  readonly blocks: readonly Block<T>[];
  readonly back: Linear<T>;
  readonly token: Norm<T>;
  readonly output: Norm<T>;
};

export const smallModel: DraftKind<SmallModelParams<HostTensor>, SmallModelParams<Tensor>> = {
  window,
  init({ width }, outputGain, rng) {
    return {
      token: initNorm("rms", width),
      project: initLinear(width, small.width, rng),
      blocks: initTransformer(small, rng, small.width ** -0.5).blocks,
      back: initLinear(small.width, width, rng),
      output: initOutput(outputGain),
    };
  },
  logits({ token, project, blocks, back, output }, _taps, tokens, said) {
    const [rows, steps, width] = tokens.shape as number[];
    const of = (step: number): Tensor =>
      reshape(squeeze(slice(tokens, 1, step, step + 1), 1), [-1, window, width]);
    // The tokens of a window, and those after its last anchor.
    const last = Array.from({ length: steps - 1 }, (_, j) => slice(of(j + 1), 1, -1));
    const text = normalize(token, concat([of(0), ...last], 1), epsilon);
    const seen = linear(back, transformBlocks(blocks, linear(project, text), small));
    return Array.from({ length: steps }, (_, j) =>
      say(output, reshape(slice(seen, 1, j, j + window), [rows, width]), said),
    );
  },
};
