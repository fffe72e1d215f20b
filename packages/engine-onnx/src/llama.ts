/**
 * The llama family (Llama 1 to 3, SmolLM, TinyLlama, Mistral without window) as an ONNX graph.
 *
 * Inputs: input_ids [1, S], position_ids [1, S], past_len [1] = P, past_end [1] = P + S, seqlens_k [1] = P + S - 1, total_len [1] = P + S,
 * attn_bias [1, 1, S, P + S] (0 or -Infinity), logits_rows [R], and past_k{i}, past_v{i} [1, kvHeads, capacity, headDim], of which the first P rows count.
 * Outputs: logits [R, vocab]; new_kv [2 * layers, kvHeads, S, headDim], the rows to append: keys of layer 0, values of layer 0, and so on.
 * Only new rows come back ("delta" layout): a rejected token costs nothing to forget.
 *
 * GroupQueryAttention adds its own causal mask, so the nodes of a tree stand parents before children, and the bias hides the rest.
 */
import { UnsupportedError } from "@veridraft/core-probs";
import type { Gguf, GgufTensor, GgufValue } from "./gguf.ts";
import { GraphBuilder, type ExternalTensor } from "./onnx.ts";
import { blockSize } from "./quantize.ts";

/** Formats of the linear layers: 8-bit blocks, or float32 as the reference. */
export const weightFormats = ["int8", "f32"] as const;
export type WeightFormat = (typeof weightFormats)[number];

/** What the metadata say about the network. */
export interface LlamaShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly feedForward: number;
  readonly vocab: number;
  readonly context: number;
  readonly ropeBase: number;
  readonly epsilon: number;
  /** Whether the output layer is the embedding table. */
  readonly tied: boolean;
}

/** A linear layer: rows of its parts stacked; `interleaved` is the number of heads whose rotary pairs stand side by side, to be split in halves. */
export interface LinearPart {
  readonly tensor: GgufTensor;
  readonly interleaved: number;
}

/** Reads the shape. @throws UnsupportedError for other architectures or rotary variants, naming what was found. */
export function llamaShape(gguf: Gguf): LlamaShape {
  const architecture = gguf.metadata.get("general.architecture");
  if (architecture !== "llama") {
    throw new UnsupportedError(
      `llamaShape: architecture ${String(architecture)} is not supported; supported is llama`,
    );
  }
  const read = (key: string, fallback?: number): number => {
    const value: GgufValue | undefined = gguf.metadata.get(`llama.${key}`) ?? fallback;
    if (typeof value !== "number") {
      throw new UnsupportedError(
        `llamaShape: llama.${key} is ${String(value)}, a number is needed`,
      );
    }
    return value;
  };
  const hidden = read("embedding_length");
  const heads = read("attention.head_count");
  const headDim = read("attention.key_length", hidden / heads);
  const shape: LlamaShape = {
    layers: read("block_count"),
    hidden,
    heads,
    kvHeads: read("attention.head_count_kv", heads),
    headDim,
    feedForward: read("feed_forward_length"),
    vocab: tensorOf(gguf, "token_embd.weight").shape[1],
    context: read("context_length"),
    ropeBase: read("rope.freq_base", 10_000),
    epsilon: read("attention.layer_norm_rms_epsilon"),
    tied: !gguf.tensors.has("output.weight"),
  };
  const rotated = read("rope.dimension_count", headDim);
  if (rotated !== headDim) {
    throw new UnsupportedError(
      `llamaShape: ${rotated} rotary dimensions of ${headDim} are not supported; all must rotate`,
    );
  }
  const experts = read("expert_count", 0);
  if (experts > 0) throw new UnsupportedError(`llamaShape: ${experts} experts are not supported`);
  for (const [name, value] of Object.entries({ hidden, feedForward: shape.feedForward })) {
    if (value % blockSize !== 0) {
      throw new UnsupportedError(`llamaShape: ${name} ${value} is not a multiple of ${blockSize}`);
    }
  }
  return shape;
}

/** A tensor by name. @throws UnsupportedError where the file lacks it. */
export function tensorOf(gguf: Gguf, name: string): GgufTensor {
  const tensor = gguf.tensors.get(name);
  if (!tensor) throw new UnsupportedError(`llamaShape: the file has no tensor ${name}`);
  return tensor;
}

/** The linear layers by graph name, each as the parts stacked in it. GGUF stores rotary pairs of llama interleaved; the graph wants halves. */
export function llamaLinears(gguf: Gguf, shape: LlamaShape): Map<string, LinearPart[]> {
  const part = (name: string, interleaved = 0): LinearPart => ({
    tensor: tensorOf(gguf, name),
    interleaved,
  });
  const linears = new Map<string, LinearPart[]>();
  for (let i = 0; i < shape.layers; i++) {
    linears.set(`blk.${i}.qkv`, [
      part(`blk.${i}.attn_q.weight`, shape.heads),
      part(`blk.${i}.attn_k.weight`, shape.kvHeads),
      part(`blk.${i}.attn_v.weight`),
    ]);
    linears.set(`blk.${i}.o`, [part(`blk.${i}.attn_output.weight`)]);
    linears.set(`blk.${i}.gate_up`, [
      part(`blk.${i}.ffn_gate.weight`),
      part(`blk.${i}.ffn_up.weight`),
    ]);
    linears.set(`blk.${i}.down`, [part(`blk.${i}.ffn_down.weight`)]);
  }
  linears.set("embedding", [part("token_embd.weight")]);
  if (!shape.tied) linears.set("head", [part("output.weight")]);
  return linears;
}

/** The graph names of the normalization weights, by tensor name. */
export function llamaNorms(shape: LlamaShape): string[] {
  const names = ["output_norm.weight"];
  for (let i = 0; i < shape.layers; i++) {
    names.push(`blk.${i}.attn_norm.weight`, `blk.${i}.ffn_norm.weight`);
  }
  return names;
}

/** Rotary tables [context, headDim / 2]; angle = position * base^(-2i / headDim) / factors[i]. */
function rotaryTables(
  shape: LlamaShape,
  factors: Float32Array | null,
): [Float32Array, Float32Array] {
  const half = shape.headDim / 2;
  const cos = new Float32Array(shape.context * half);
  const sin = new Float32Array(shape.context * half);
  for (let i = 0; i < half; i++) {
    const frequency = shape.ropeBase ** (-i / half) / (factors ? factors[i] : 1);
    for (let position = 0; position < shape.context; position++) {
      cos[position * half + i] = Math.cos(position * frequency);
      sin[position * half + i] = Math.sin(position * frequency);
    }
  }
  return [cos, sin];
}

/**
 * Builds the model file.
 *
 * @param tensors External tensors by name: `NAME` float32, or `NAME.values` and `NAME.scales` for 8-bit blocks.
 * @param ropeFactors Per-frequency divisors of Llama 3.1 ("rope_freqs.weight"), or null.
 */
export function buildLlama(
  shape: LlamaShape,
  format: WeightFormat,
  tensors: ReadonlyMap<string, ExternalTensor>,
  ropeFactors: Float32Array | null,
  dataFile: string,
): Uint8Array {
  const { layers, hidden, heads, kvHeads, headDim, feedForward, vocab, context } = shape;
  const graph = new GraphBuilder(dataFile);
  const ids = graph.input("input_ids", "int64", [1, "S"]);
  const positions = graph.input("position_ids", "int64", [1, "S"]);
  const start = graph.input("past_len", "int64", [1]);
  const end = graph.input("past_end", "int64", [1]);
  const seqlens = graph.input("seqlens_k", "int32", [1]);
  const total = graph.input("total_len", "int32", [1]);
  const bias = graph.input("attn_bias", "float32", [1, 1, "S", "T"]);
  const logitsRows = graph.input("logits_rows", "int64", ["R"]);

  const [cosTable, sinTable] = rotaryTables(shape, ropeFactors);
  const cos = graph.constant("rope.cos", cosTable, [context, headDim / 2]);
  const sin = graph.constant("rope.sin", sinTable, [context, headDim / 2]);
  const rowAxis = graph.constant("slice.axis", BigInt64Array.of(2n), [1]);
  const firstAxis = graph.constant("axis.first", BigInt64Array.of(0n), [1]);
  const flat = graph.constant("shape.flat", BigInt64Array.of(-1n, BigInt(hidden)), [2]);
  const halves = graph.constant(
    "split.halves",
    BigInt64Array.of(BigInt(feedForward), BigInt(feedForward)),
    [2],
  );

  const known = new Set<string>();
  const weight = (name: string): string => {
    if (!known.has(name)) {
      known.add(name);
      graph.external(name, tensors.get(name) as ExternalTensor);
    }
    return name;
  };
  const linear = (x: string, name: string, K: number, N: number, output: string): string => {
    if (format === "f32") return graph.node("Gemm", [x, weight(name)], output, { transB: 1 });
    const values = `${name}.matrix`;
    if (!known.has(values)) {
      known.add(values);
      const { dims: _, ...place } = tensors.get(`${name}.values`) as ExternalTensor;
      graph.external(values, { ...place, dims: [N, K / blockSize, blockSize] });
    }
    const scales = `${name}.flat_scales`;
    if (!known.has(scales)) {
      known.add(scales);
      const { dims: _, ...place } = tensors.get(`${name}.scales`) as ExternalTensor;
      graph.external(scales, { ...place, dims: [(N * K) / blockSize] });
    }
    return graph.node("com.microsoft:MatMulNBits", [x, values, scales], output, {
      K,
      N,
      bits: 8,
      block_size: blockSize,
      accuracy_level: 4,
    });
  };
  const embed = (): string =>
    format === "f32"
      ? graph.node("Gather", [weight("embedding"), ids], "embedded")
      : graph.node(
          "com.microsoft:GatherBlockQuantized",
          [weight("embedding.values"), ids, weight("embedding.scales")],
          "embedded",
          { bits: 8, block_size: blockSize, gather_axis: 0, quantize_axis: 1 },
        );
  const epsilon = { float: shape.epsilon };
  const addNorm = (residual: string, x: string, name: string, output: string): [string, string] => {
    const sum = `${output}.sum`;
    graph.node(
      "com.microsoft:SkipSimplifiedLayerNormalization",
      [residual, x, weight(name)],
      [output, "", "", sum],
      { epsilon },
    );
    return [output, sum];
  };

  let residual = graph.node("Reshape", [embed(), flat], "hidden");
  let x = graph.node(
    "SimplifiedLayerNormalization",
    [residual, weight("blk.0.attn_norm.weight")],
    "normed",
    { axis: -1, epsilon, stash_type: 1 },
  );
  const fresh: string[] = [];
  for (let i = 0; i < layers; i++) {
    const at = `layer.${i}`;
    const pastKeys = graph.input(`past_k${i}`, "float32", [1, kvHeads, "C", headDim]);
    const pastValues = graph.input(`past_v${i}`, "float32", [1, kvHeads, "C", headDim]);
    const qkv = linear(x, `blk.${i}.qkv`, hidden, (heads + 2 * kvHeads) * headDim, `${at}.qkv`);
    const packed = graph.node("Unsqueeze", [qkv, firstAxis], `${at}.packed`);
    graph.node(
      "com.microsoft:GroupQueryAttention",
      [packed, "", "", pastKeys, pastValues, seqlens, total, cos, sin, positions, bias],
      [`${at}.attended`, `${at}.keys`, `${at}.values`],
      {
        num_heads: heads,
        kv_num_heads: kvHeads,
        do_rotary: 1,
        rotary_interleaved: 0,
        scale: { float: headDim ** -0.5 },
      },
    );
    for (const kind of ["keys", "values"]) {
      const present = `${at}.${kind}`;
      fresh.push(graph.node("Slice", [present, start, end, rowAxis], `${present}.new`));
    }
    const attended = graph.node("Squeeze", [`${at}.attended`, firstAxis], `${at}.rows`);
    const o = linear(attended, `blk.${i}.o`, heads * headDim, hidden, `${at}.o`);
    [x, residual] = addNorm(residual, o, `blk.${i}.ffn_norm.weight`, `${at}.ffn`);
    const gateUp = linear(x, `blk.${i}.gate_up`, hidden, 2 * feedForward, `${at}.gate_up`);
    graph.node("Split", [gateUp, halves], [`${at}.gate`, `${at}.up`], { axis: 1 });
    const sigmoid = graph.node("Sigmoid", [`${at}.gate`], `${at}.sigmoid`);
    const swish = graph.node("Mul", [`${at}.gate`, sigmoid], `${at}.swish`);
    const gated = graph.node("Mul", [swish, `${at}.up`], `${at}.gated`);
    const down = linear(gated, `blk.${i}.down`, feedForward, hidden, `${at}.down`);
    const next = i + 1 < layers ? `blk.${i + 1}.attn_norm.weight` : "output_norm.weight";
    [x, residual] = addNorm(residual, down, next, `${at}.out`);
  }
  graph.node("Concat", fresh, "new_kv", { axis: 0 });
  const asked = graph.node("Gather", [x, logitsRows], "asked");
  linear(asked, shape.tied ? "embedding" : "head", hidden, vocab, "logits");
  graph.output("logits", "float32", ["R", vocab]);
  graph.output("new_kv", "float32", [2 * layers, kvHeads, "S", headDim]);
  return graph.encode();
}
