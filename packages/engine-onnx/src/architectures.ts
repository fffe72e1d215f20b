/**
 * What a GGUF file says about its network: the architectures that the engine runs as traits of one decoder, its sizes, and which tensors of the file are
 * which part of it. Names and meanings as in ggml-org/llama.cpp; a tensor or a setting that has no place here is refused, never left out.
 */
import { InvalidArgumentError, UnsupportedError } from "@veridraft/core-probs";
import type { Gguf, GgufTensor } from "./gguf.ts";
import { blockSize } from "./quantize.ts";

/** How an architecture differs from others. */
interface Architecture {
  /** The file holds rotary pairs of queries and keys side by side; the graph wants them in halves. */
  readonly interleaved: boolean;
  /** Queries, keys and values are one tensor, and so are gate and up. */
  readonly fused: boolean;
  /** Each head of queries and keys is normalized before it rotates. */
  readonly headNorms: boolean;
  /** What attention and the feed-forward layer give is normalized, too, before it is added. */
  readonly postNorms: boolean;
  /** Embeddings are multiplied by the root of their size. */
  readonly scaledEmbedding: boolean;
  readonly activation: "silu" | "gelu";
  /** The last of so many layers does not rotate. */
  readonly unrotatedPeriod: number | null;
  /** The last of so many layers sees all tokens, the others a window; null: all see the window that the file may set. */
  readonly windowPeriod: number | null;
  /** Rotary base of layers that see a window; null: that of the others. */
  readonly windowRopeBase: number | null;
}

const plain: Architecture = {
  interleaved: false,
  fused: false,
  headNorms: false,
  postNorms: false,
  scaledEmbedding: false,
  activation: "silu",
  unrotatedPeriod: null,
  windowPeriod: null,
  windowRopeBase: null,
};

const architectures: Readonly<Record<string, Architecture>> = {
  llama: { ...plain, interleaved: true },
  qwen2: plain,
  qwen3: { ...plain, headNorms: true },
  gemma3: {
    ...plain,
    headNorms: true,
    postNorms: true,
    scaledEmbedding: true,
    activation: "gelu",
    windowPeriod: 6,
    windowRopeBase: 10_000,
  },
  phi3: { ...plain, fused: true },
  smollm3: { ...plain, interleaved: true, unrotatedPeriod: 4 },
};

/** Settings that change the network in a way that the graph lacks, where they are not 0. */
const refusedSettings = ["expert_count", "attn_logit_softcapping", "final_logit_softcapping"];

/** A rotary table: angle = position * base^(-2i / headDim) / scale / factors[i]. */
export interface Rope {
  readonly name: string;
  readonly base: number;
  readonly scale: number;
  /** Tensor of divisors by frequency (Llama 3.1), or null. */
  readonly factors: GgufTensor | null;
}

/** The attention of one layer. */
export interface AttentionShape {
  /** Null where positions do not enter. */
  readonly rope: Rope | null;
  /** Tokens that a token sees, itself the last; null for all. */
  readonly window: number | null;
}

/** What the graph of a network is built from. */
export interface DecoderShape extends Pick<
  Architecture,
  "interleaved" | "fused" | "headNorms" | "postNorms" | "scaledEmbedding" | "activation"
> {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly feedForward: number;
  readonly vocab: number;
  readonly context: number;
  readonly epsilon: number;
  /** Whether the output layer is the embedding table. */
  readonly tied: boolean;
  /** Whether queries, keys and values have biases. */
  readonly biased: boolean;
  /** By layer. */
  readonly attention: readonly AttentionShape[];
}

/** Rows of a file tensor; `interleaved` is the number of heads whose rotary pairs stand side by side, to be split in halves. */
export interface TensorPart {
  readonly tensor: GgufTensor;
  readonly interleaved: number;
}

/** A vector of the graph, or a small matrix: parts one after another, in float32 whatever the format. */
export interface StackedVector {
  readonly dims: readonly number[];
  readonly parts: readonly TensorPart[];
}

/**
 * Reads the shape of the network, or of its first `kept` layers with its own norm and head.
 *
 * @throws UnsupportedError for what the graph lacks, naming what was found; InvalidArgumentError for more layers than there are, or less than one.
 */
export function decoderShape(gguf: Gguf, kept?: number): DecoderShape {
  const name = String(gguf.metadata.get("general.architecture"));
  if (!Object.hasOwn(architectures, name)) {
    const known = Object.keys(architectures).join(", ");
    throw refusal(`architecture ${name} is not supported; supported are ${known}`);
  }
  const architecture = architectures[name];
  const read = (key: string, fallback?: number): number => {
    const value = gguf.metadata.get(`${name}.${key}`) ?? fallback;
    if (typeof value !== "number") {
      throw refusal(`${name}.${key} is ${String(value)}, a number is needed`);
    }
    return value;
  };
  for (const key of refusedSettings) {
    if (read(key, 0) !== 0) throw refusal(`${name}.${key} ${read(key)} is not supported`);
  }
  const blocks = read("block_count");
  const layers = kept ?? blocks;
  if (!(Number.isInteger(layers) && layers >= 1 && layers <= blocks)) {
    throw new InvalidArgumentError(
      `decoderShape: layers must be an integer in [1, ${blocks}], got ${layers}`,
    );
  }
  const hidden = read("embedding_length");
  const heads = read("attention.head_count");
  const headDim = read("attention.key_length", hidden / heads);
  const rotated = read("rope.dimension_count", headDim);
  if (rotated !== headDim) {
    throw refusal(`${rotated} rotary dimensions of ${headDim} are not supported; all must rotate`);
  }
  const valueDim = read("attention.value_length", headDim);
  if (valueDim !== headDim) {
    throw refusal(`values of ${valueDim} dimensions beside keys of ${headDim} are not supported`);
  }
  if (name === "gemma3" && blocks === 62) {
    throw refusal("gemma3 of 62 layers, which scales its queries in another way, is not supported");
  }
  const shape: DecoderShape = {
    ...architecture,
    layers,
    hidden,
    heads,
    kvHeads: read("attention.head_count_kv", heads),
    headDim,
    feedForward: read("feed_forward_length"),
    vocab: tensorOf(gguf, "token_embd.weight").shape[1],
    context: read("context_length"),
    epsilon: read("attention.layer_norm_rms_epsilon"),
    tied: !gguf.tensors.has("output.weight"),
    biased: gguf.tensors.has("blk.0.attn_q.bias"),
    attention: attentionOf(gguf, name, architecture, layers, read),
  };
  const inputs = { hidden, feedForward: shape.feedForward, "heads * headDim": heads * headDim };
  for (const [input, size] of Object.entries(inputs)) {
    if (size % blockSize !== 0) throw refusal(`${input} ${size} is not a multiple of ${blockSize}`);
  }
  if (headDim % 8 !== 0) throw refusal(`headDim ${headDim} is not a multiple of 8`);
  const used = new Set(shape.attention.map(({ rope }) => rope?.factors?.name));
  for (const parts of linearsOf(gguf, shape).values()) {
    for (const { tensor } of parts) used.add(tensor.name);
  }
  for (const { parts } of vectorsOf(gguf, shape).values()) {
    for (const { tensor } of parts) used.add(tensor.name);
  }
  const leftOut = (tensor: string): boolean => {
    const [, block] = /^blk\.(\d+)\./.exec(tensor) ?? [];
    return Number(block) >= layers && Number(block) < blocks;
  };
  for (const tensor of gguf.tensors.keys()) {
    if (!used.has(tensor) && !leftOut(tensor))
      throw refusal(`tensor ${tensor} has no place in architecture ${name}`);
  }
  return shape;
}

/** The layers after which hidden states can be tapped: a third of them, two thirds, and all but the last. */
export function tapsOf({ layers }: Pick<DecoderShape, "layers">): readonly number[] {
  return [Math.ceil(layers / 3), Math.ceil((2 * layers) / 3), Math.max(1, layers - 1)];
}

/** Whether its hidden states are no larger than float16 holds; those of gemma3 are. */
export function fitsHalves({ postNorms }: DecoderShape): boolean {
  return !postNorms;
}

function attentionOf(
  { metadata, tensors }: Gguf,
  name: string,
  { unrotatedPeriod, windowPeriod, windowRopeBase }: Architecture,
  layers: number,
  read: (key: string, fallback?: number) => number,
): AttentionShape[] {
  const scaling = metadata.get(`${name}.rope.scaling.type`) ?? "linear";
  if (scaling !== "linear" && scaling !== "none") {
    throw refusal(`rotary scaling ${String(scaling)} is not supported; supported are none, linear`);
  }
  const all: Rope = {
    name: "rope",
    base: read("rope.freq_base", 10_000),
    scale: scaling === "none" ? 1 : read("rope.scaling.factor", 1) || 1,
    factors: tensors.get("rope_freqs.weight") ?? null,
  };
  const near: Rope =
    windowRopeBase === null
      ? all
      : {
          name: "rope.window",
          base: read("rope.freq_base_swa", windowRopeBase),
          scale: 1,
          factors: null,
        };
  const size = read("attention.sliding_window", windowPeriod === null ? 0 : undefined);
  const period = windowPeriod && read("attention.sliding_window_pattern", windowPeriod);
  return Array.from({ length: layers }, (_, i) => {
    const isLocal = size > 0 && !isLast(i, period);
    return {
      rope: isLast(i, unrotatedPeriod) ? null : isLocal ? near : all,
      window: isLocal ? size : null,
    };
  });
}

/** Whether layer i is the last of a period. */
function isLast(i: number, period: number | null): boolean {
  return period !== null && i % period === period - 1;
}

/** The linear layers by graph name, each as the parts stacked in it. */
export function linearsOf(gguf: Gguf, shape: DecoderShape): Map<string, TensorPart[]> {
  const { hidden, heads, kvHeads, headDim, feedForward } = shape;
  const linears = new Map<string, TensorPart[]>();
  const add = (name: string, K: number, N: number, parts: TensorPart[]): void => {
    const rows = parts.reduce((sum, { tensor }) => sum + tensor.shape[1], 0);
    if (rows !== N || parts.some(({ tensor }) => tensor.shape[0] !== K)) {
      const found = parts.map(({ tensor }) => `${tensor.name} [${tensor.shape.join(", ")}]`);
      throw refusal(`${found.join(" and ")} are not the ${N} outputs of ${K} inputs of ${name}`);
    }
    linears.set(name, parts);
  };
  const part = (name: string, interleavedHeads = 0): TensorPart => ({
    tensor: tensorOf(gguf, `${name}.weight`),
    interleaved: shape.interleaved ? interleavedHeads : 0,
  });
  for (let i = 0; i < shape.layers; i++) {
    const at = `blk.${i}`;
    const qkv = shape.fused
      ? [part(`${at}.attn_qkv`)]
      : [part(`${at}.attn_q`, heads), part(`${at}.attn_k`, kvHeads), part(`${at}.attn_v`)];
    add(`${at}.qkv`, hidden, (heads + 2 * kvHeads) * headDim, qkv);
    add(`${at}.o`, heads * headDim, hidden, [part(`${at}.attn_output`)]);
    const up = part(`${at}.ffn_up`);
    const gateUp = shape.fused ? [up] : [part(`${at}.ffn_gate`), up];
    add(`${at}.gate_up`, hidden, 2 * feedForward, gateUp);
    add(`${at}.down`, feedForward, hidden, [part(`${at}.ffn_down`)]);
  }
  add("embedding", hidden, shape.vocab, [part("token_embd")]);
  if (!shape.tied) add("head", hidden, shape.vocab, [part("output")]);
  return linears;
}

/** Normalization weights, under the name that they have in the file, and biases, by graph name. */
export function vectorsOf(gguf: Gguf, shape: DecoderShape): Map<string, StackedVector> {
  const { hidden, heads, kvHeads, headDim } = shape;
  const vectors = new Map<string, StackedVector>();
  const part = (name: string): TensorPart => ({ tensor: tensorOf(gguf, name), interleaved: 0 });
  const addNorm = (name: string): void => {
    vectors.set(name, { dims: [hidden], parts: [part(name)] });
  };
  addNorm("output_norm.weight");
  for (let i = 0; i < shape.layers; i++) {
    const at = `blk.${i}`;
    addNorm(`${at}.attn_norm.weight`);
    addNorm(`${at}.ffn_norm.weight`);
    if (shape.postNorms) {
      addNorm(`${at}.post_attention_norm.weight`);
      addNorm(`${at}.post_ffw_norm.weight`);
    }
    if (shape.headNorms) {
      const queries = Array.from({ length: heads }, () => part(`${at}.attn_q_norm.weight`));
      const keys = Array.from({ length: kvHeads }, () => part(`${at}.attn_k_norm.weight`));
      vectors.set(`${at}.qk_norm`, {
        dims: [heads + kvHeads, headDim],
        parts: [...queries, ...keys],
      });
    }
    if (shape.biased) {
      const bias = (kind: string, interleavedHeads = 0): TensorPart => {
        const tensor = tensorOf(gguf, `${at}.attn_${kind}.bias`);
        return {
          tensor: { ...tensor, shape: [1, ...tensor.shape] },
          interleaved: shape.interleaved ? interleavedHeads : 0,
        };
      };
      vectors.set(`${at}.qkv.bias`, {
        dims: [(heads + 2 * kvHeads) * headDim],
        parts: [bias("q", heads), bias("k", kvHeads), bias("v")],
      });
    }
  }
  return vectors;
}

function tensorOf(gguf: Gguf, name: string): GgufTensor {
  const tensor = gguf.tensors.get(name);
  if (!tensor) throw refusal(`the file has no tensor ${name}`);
  return tensor;
}

function refusal(what: string): UnsupportedError {
  return new UnsupportedError(`decoderShape: ${what}`);
}
