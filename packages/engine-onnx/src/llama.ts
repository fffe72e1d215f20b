/**
 * The llama family (Llama 1 to 3, SmolLM, TinyLlama, Mistral without window) as an ONNX graph.
 *
 * Inputs: input_ids [1, S], position_ids [1, S], logits_rows [R], and for each attention slot b: seqlens_k.b [1] = P + S - 1, total_len.b [1] = P + S,
 * attn_bias.b [1, 1, S, P + S] (0 or -Infinity), and past_k{i}.b, past_v{i}.b [1, kvHeads, capacity, headDim], of which the first P rows count.
 * Outputs: logits [R, vocab]; new_kv [layers, 2, kvHeads, S, headDim], the rows to append, keys before values.
 * Only new rows come back ("delta" layout): a rejected token costs nothing to forget.
 *
 * A graph of several slots runs the rows of several sequences: the linear layers see all of them at once, attention each sequence for itself, so that
 * its sums are those of a run without neighbours. There rows.b [1, Sb] are the rows of a slot, S in its inputs is Sb, and unpack [S] are the places
 * of the rows in what the slots give one after another.
 *
 * GroupQueryAttention adds its own causal mask, so the nodes of a tree stand parents before children, and the bias hides the rest.
 */
import { UnsupportedError } from "@veridraft/core-probs";
import type { Gguf, GgufTensor, GgufValue } from "./gguf.ts";
import { GraphBuilder, type ExternalTensor } from "./onnx.ts";
import { blockSize } from "./quantize.ts";
import { type WeightFormat, Weights } from "./weights.ts";

/** Sequences that a run of the graph for several can hold; empty slots cost about a tenth of a full one. */
export const batchSlots = 8;

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
 * @param slots Sequences of a run, at least 1.
 */
export function buildLlama(
  shape: LlamaShape,
  format: WeightFormat,
  tensors: ReadonlyMap<string, ExternalTensor>,
  ropeFactors: Float32Array | null,
  dataFile: string,
  slots: number,
): Uint8Array {
  const { layers, hidden, heads, kvHeads, headDim, feedForward, vocab, context } = shape;
  const graph = new GraphBuilder(dataFile);
  const ids = graph.input("input_ids", "int64", [1, "S"]);
  const positions = graph.input("position_ids", "int64", [1, "S"]);
  const logitsRows = graph.input("logits_rows", "int64", ["R"]);
  const several = slots > 1;
  const unpack = several ? graph.input("unpack", "int64", ["S"]) : "";
  const inputsOf = Array.from({ length: slots }, (_, b) => {
    const rows = several ? `S${b}` : "S";
    return {
      rows: several ? graph.input(`rows.${b}`, "int64", [1, rows]) : "",
      seqlens: graph.input(`seqlens_k.${b}`, "int32", [1]),
      total: graph.input(`total_len.${b}`, "int32", [1]),
      bias: graph.input(`attn_bias.${b}`, "float32", [1, 1, rows, `T${b}`]),
    };
  });

  const [cosTable, sinTable] = rotaryTables(shape, ropeFactors);
  const cos = graph.constant("rope.cos", cosTable, [context, headDim / 2]);
  const sin = graph.constant("rope.sin", sinTable, [context, headDim / 2]);
  const firstAxis = graph.constant("axis.first", BigInt64Array.of(0n), [1]);
  const flat = graph.constant("shape.flat", BigInt64Array.of(-1n, BigInt(hidden)), [2]);
  const integers = (name: string, ...values: number[]): string =>
    graph.constant(name, BigInt64Array.from(values, BigInt), [values.length]);
  const halves = integers("split.halves", feedForward, feedForward);
  const rotatedWidth = (heads + kvHeads) * headDim;
  const packedWidth = (heads + 2 * kvHeads) * headDim;
  const rotatedAndNot = integers("split.rotated", rotatedWidth, kvHeads * headDim);
  const kvStart = integers("kv.start", heads * headDim);
  const kvEnd = integers("kv.end", packedWidth);
  const lastAxis = integers("axis.last", 1);

  const weights = new Weights(graph, format, tensors);
  const epsilon = { float: shape.epsilon };
  const addNorm = (residual: string, x: string, name: string, output: string): [string, string] => {
    const sum = `${output}.sum`;
    graph.node(
      "com.microsoft:SkipSimplifiedLayerNormalization",
      [residual, x, weights.norm(name)],
      [output, "", "", sum],
      { epsilon },
    );
    return [output, sum];
  };

  let residual = graph.node("Reshape", [weights.embed(ids), flat], "hidden");
  let x = graph.node(
    "SimplifiedLayerNormalization",
    [residual, weights.norm("blk.0.attn_norm.weight")],
    "normed",
    { axis: -1, epsilon, stash_type: 1 },
  );
  const fresh: string[] = [];
  for (let i = 0; i < layers; i++) {
    const at = `layer.${i}`;
    const qkv = weights.linear(x, `blk.${i}.qkv`, hidden, packedWidth, `${at}.qkv`);
    // Queries and keys rotate alike.
    graph.node("Split", [qkv, rotatedAndNot], [`${at}.qk`, `${at}.v`], { axis: 1 });
    const qk = graph.node("Unsqueeze", [`${at}.qk`, firstAxis], `${at}.qk.batch`);
    graph.node("com.microsoft:RotaryEmbedding", [qk, positions, cos, sin], `${at}.rotated`);
    const rotated = graph.node("Squeeze", [`${at}.rotated`, firstAxis], `${at}.rotated.rows`);
    const packed = graph.node("Concat", [rotated, `${at}.v`], `${at}.packed`, { axis: 1 });
    fresh.push(graph.node("Slice", [packed, kvStart, kvEnd, lastAxis], `${at}.kv`));
    const attend = ({ rows, seqlens, total, bias }: (typeof inputsOf)[0], b: number): string => {
      const past = (["k", "v"] as const).map((kind) =>
        graph.input(`past_${kind}${i}.${b}`, "float32", [1, kvHeads, `C${b}`, headDim]),
      );
      const own = several
        ? graph.node("Gather", [packed, rows], `${at}.own.${b}`)
        : graph.node("Unsqueeze", [packed, firstAxis], `${at}.own.${b}`);
      return graph.node(
        "com.microsoft:GroupQueryAttention",
        [own, "", "", ...past, seqlens, total, "", "", "", bias],
        [`${at}.attended.${b}`, `${at}.keys.${b}`, `${at}.values.${b}`],
        { num_heads: heads, kv_num_heads: kvHeads, scale: { float: headDim ** -0.5 } },
      );
    };
    const slotRows = inputsOf.map(attend);
    const joined = several
      ? graph.node("Concat", slotRows, `${at}.joined`, { axis: 1 })
      : slotRows[0];
    const together = graph.node("Squeeze", [joined, firstAxis], `${at}.together`);
    const attended = several
      ? graph.node("Gather", [together, unpack], `${at}.attended`)
      : together;
    const o = weights.linear(attended, `blk.${i}.o`, heads * headDim, hidden, `${at}.o`);
    [x, residual] = addNorm(residual, o, `blk.${i}.ffn_norm.weight`, `${at}.ffn`);
    const gateUp = weights.linear(x, `blk.${i}.gate_up`, hidden, 2 * feedForward, `${at}.gate_up`);
    graph.node("Split", [gateUp, halves], [`${at}.gate`, `${at}.up`], { axis: 1 });
    const sigmoid = graph.node("Sigmoid", [`${at}.gate`], `${at}.sigmoid`);
    const swish = graph.node("Mul", [`${at}.gate`, sigmoid], `${at}.swish`);
    const gated = graph.node("Mul", [swish, `${at}.up`], `${at}.gated`);
    const down = weights.linear(gated, `blk.${i}.down`, feedForward, hidden, `${at}.down`);
    const next = i + 1 < layers ? `blk.${i + 1}.attn_norm.weight` : "output_norm.weight";
    [x, residual] = addNorm(residual, down, next, `${at}.out`);
  }
  graph.node("Concat", fresh, "kv.rows", { axis: 0 });
  const kvShape = integers("kv.shape", layers, -1, 2, kvHeads, headDim);
  const kv = graph.node("Reshape", ["kv.rows", kvShape], "kv.heads");
  graph.node("Transpose", [kv], "new_kv", { perm: [0, 2, 3, 1, 4] });
  const asked = graph.node("Gather", [x, logitsRows], "asked");
  weights.linear(asked, shape.tied ? "embedding" : "head", hidden, vocab, "logits");
  graph.output("logits", "float32", ["R", vocab]);
  graph.output("new_kv", "float32", [layers, 2, kvHeads, "S", headDim]);
  return graph.encode();
}
