/**
 * A decoder network as an ONNX graph; its architecture is in its shape.
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
import type { DecoderShape, Rope } from "./architectures.ts";
import { elementTypes, type ExternalTensor, GraphBuilder } from "./onnx.ts";
import { type Format, Weights } from "./weights.ts";

/** Sequences that a run of the graph for several can hold; empty slots cost about a tenth of a full one. */
export const batchSlots = 8;

/** The inputs of one attention slot. */
interface Slot {
  /** Of the slot in a graph of several, else empty. */
  readonly rows: string;
  readonly seqlens: string;
  readonly total: string;
  readonly bias: string;
}

/** The graph names of a rope's tables. */
export function ropeTables({ name }: Rope): { readonly cos: string; readonly sin: string } {
  return { cos: `${name}.cos`, sin: `${name}.sin` };
}

/** The tables [context, headDim / 2] of a rope. @param factors The values of its tensor of them. */
export function rotaryTables(
  { base, scale }: Rope,
  { context, headDim }: DecoderShape,
  factors: Float32Array | null,
): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const half = headDim / 2;
  const cos = new Float32Array(context * half);
  const sin = new Float32Array(context * half);
  for (let i = 0; i < half; i++) {
    const frequency = base ** (-i / half) / scale / (factors ? factors[i] : 1);
    for (let position = 0; position < context; position++) {
      cos[position * half + i] = Math.cos(position * frequency);
      sin[position * half + i] = Math.sin(position * frequency);
    }
  }
  return { cos, sin };
}

/**
 * Builds the model file.
 *
 * @param tensors External tensors by name, as the format stored them.
 * @param slots Sequences of a run, at least 1.
 */
export function buildDecoder(
  shape: DecoderShape,
  format: Format,
  tensors: ReadonlyMap<string, ExternalTensor>,
  dataFile: string,
  slots: number,
): Uint8Array {
  return new DecoderGraph(shape, format, tensors, dataFile, slots).encode();
}

class DecoderGraph {
  private readonly shape: DecoderShape;
  private readonly graph: GraphBuilder;
  private readonly weights: Weights;
  private readonly slots: readonly Slot[];
  /** Keys and values of each layer. */
  private readonly fresh: string[] = [];

  constructor(
    shape: DecoderShape,
    format: Format,
    tensors: ReadonlyMap<string, ExternalTensor>,
    dataFile: string,
    slots: number,
  ) {
    this.shape = shape;
    const graph = new GraphBuilder(dataFile);
    this.graph = graph;
    this.weights = new Weights(graph, format, tensors);
    graph.input("input_ids", "int64", [1, "S"]);
    graph.input("position_ids", "int64", [1, "S"]);
    graph.input("logits_rows", "int64", ["R"]);
    const several = slots > 1;
    if (several) graph.input("unpack", "int64", ["S"]);
    this.slots = Array.from({ length: slots }, (_, b) => {
      const rows = several ? `S${b}` : "S";
      return {
        rows: several ? graph.input(`rows.${b}`, "int64", [1, rows]) : "",
        seqlens: graph.input(`seqlens_k.${b}`, "int32", [1]),
        total: graph.input(`total_len.${b}`, "int32", [1]),
        bias: graph.input(`attn_bias.${b}`, "float32", [1, 1, rows, `T${b}`]),
      };
    });
  }

  encode(): Uint8Array {
    const { graph, weights, shape } = this;
    const { layers, hidden, vocab, kvHeads, headDim } = shape;
    let residual = graph.node(
      "Reshape",
      [weights.embed("input_ids"), this.integers("shape.flat", -1, hidden)],
      "hidden",
    );
    if (shape.scaledEmbedding) {
      const root = weights.constant("hidden.root", Float32Array.of(Math.sqrt(hidden)), []);
      residual = graph.node("Mul", [residual, root], "hidden.scaled");
    }
    let x = this.normalize(residual, weights.norm("blk.0.attn_norm.weight"), "normed");
    for (let i = 0; i < layers; i++) {
      const attended = this.attention(i, x);
      [x, residual] = this.add(residual, attended, `blk.${i}.ffn_norm.weight`, `layer.${i}.ffn`);
      const fed = this.feedForward(i, x);
      const next = i + 1 < layers ? `blk.${i + 1}.attn_norm.weight` : "output_norm.weight";
      [x, residual] = this.add(residual, fed, next, `layer.${i}.out`);
    }
    graph.node("Concat", this.fresh, "kv.rows", { axis: 0 });
    const kvShape = this.integers("kv.shape", layers, -1, 2, kvHeads, headDim);
    const kv = graph.node("Reshape", ["kv.rows", kvShape], "kv.heads");
    graph.node("Transpose", [kv], "new_kv", { perm: [0, 2, 3, 1, 4] });
    const asked = graph.node("Gather", [x, "logits_rows"], "asked");
    weights.linear(asked, shape.tied ? "embedding" : "head", hidden, vocab, "logits");
    graph.output("logits", "float32", ["R", vocab]);
    graph.output("new_kv", "float32", [layers, 2, kvHeads, "S", headDim]);
    return graph.encode();
  }

  private attention(i: number, x: string): string {
    const { graph, weights, shape, slots } = this;
    const { hidden, heads, kvHeads, headDim } = shape;
    const { window } = shape.attention[i];
    const several = slots.length > 1;
    const at = `layer.${i}`;
    const packedWidth = (heads + 2 * kvHeads) * headDim;
    const qkv = weights.linear(x, `blk.${i}.qkv`, hidden, packedWidth, `${at}.qkv`);
    const packed = this.position(
      i,
      shape.biased
        ? graph.node("Add", [qkv, weights.declare(`blk.${i}.qkv.bias`)], `${at}.biased`)
        : qkv,
    );
    const kvStart = this.integers("kv.start", heads * headDim);
    const kvEnd = this.integers("kv.end", packedWidth);
    const lastAxis = this.integers("axis.last", 1);
    this.fresh.push(graph.node("Slice", [packed, kvStart, kvEnd, lastAxis], `${at}.kv`));
    const firstAxis = this.integers("axis.first", 0);
    const attend = (slot: Slot, b: number): string => {
      const past = (["k", "v"] as const).map((kind) =>
        graph.input(`past_${kind}${i}.${b}`, "float32", [1, kvHeads, `C${b}`, headDim]),
      );
      const own = several
        ? graph.node("Gather", [packed, slot.rows], `${at}.own.${b}`)
        : graph.node("Unsqueeze", [packed, firstAxis], `${at}.own.${b}`);
      const bias = window === null ? slot.bias : this.windowBias(slot, b, window);
      return graph.node(
        "com.microsoft:GroupQueryAttention",
        [own, "", "", ...past, slot.seqlens, slot.total, "", "", "", bias],
        [`${at}.attended.${b}`, `${at}.keys.${b}`, `${at}.values.${b}`],
        { num_heads: heads, kv_num_heads: kvHeads, scale: { float: headDim ** -0.5 } },
      );
    };
    const slotRows = slots.map(attend);
    const joined = several
      ? graph.node("Concat", slotRows, `${at}.joined`, { axis: 1 })
      : slotRows[0];
    const together = graph.node("Squeeze", [joined, firstAxis], `${at}.together`);
    const attended = several
      ? graph.node("Gather", [together, "unpack"], `${at}.attended`)
      : together;
    const o = weights.linear(attended, `blk.${i}.o`, heads * headDim, hidden, `${at}.o`);
    return this.postNormalize(o, `blk.${i}.post_attention_norm.weight`);
  }

  /** Queries and keys, normalized and rotated where the architecture does so, and values as they are. */
  private position(i: number, qkv: string): string {
    const { graph, weights, shape } = this;
    const { heads, kvHeads, headDim, headNorms } = shape;
    const { rope } = shape.attention[i];
    if (!headNorms && rope === null) return qkv;
    const at = `layer.${i}`;
    const width = (heads + kvHeads) * headDim;
    const parts = this.integers("split.rotated", width, kvHeads * headDim);
    // Queries and keys rotate alike.
    graph.node("Split", [qkv, parts], [`${at}.qk`, `${at}.v`], { axis: 1 });
    let qk = `${at}.qk`;
    if (headNorms) {
      const byHead = this.integers("shape.heads", -1, heads + kvHeads, headDim);
      const flat = this.integers("shape.qk", -1, width);
      const ones = weights.constant("head.ones", new Float32Array(headDim).fill(1), [headDim]);
      const split = graph.node("Reshape", [qk, byHead], `${at}.qk.heads`);
      const unit = this.normalize(split, ones, `${at}.qk.unit`);
      const normed = graph.node(
        "Mul",
        [unit, weights.declare(`blk.${i}.qk_norm`)],
        `${at}.qk.normed`,
      );
      qk = graph.node("Reshape", [normed, flat], `${at}.qk.flat`);
    }
    if (rope !== null) {
      const { cos, sin } = ropeTables(rope);
      const firstAxis = this.integers("axis.first", 0);
      const batch = graph.node("Unsqueeze", [qk, firstAxis], `${at}.qk.batch`);
      graph.node(
        "com.microsoft:RotaryEmbedding",
        [batch, "position_ids", weights.declare(cos), weights.declare(sin)],
        `${at}.rotated`,
      );
      qk = graph.node("Squeeze", [`${at}.rotated`, firstAxis], `${at}.rotated.rows`);
    }
    return graph.node("Concat", [qk, `${at}.v`], `${at}.packed`, { axis: 1 });
  }

  /**
   * The bias of a slot that also hides tokens `window` positions back or more: positions, not rows as in `local_window_size` of GroupQueryAttention, so
   * that a branch of a tree sees what a chain would.
   */
  private windowBias({ rows, total, bias }: Slot, b: number, window: number): string {
    const { graph, weights } = this;
    return weights.once(`window.${b}`, (name) => {
      const first = this.integers("axis.first", 0);
      const positions = rows
        ? graph.node("Gather", [this.flatPositions(), rows], `${name}.positions`)
        : "position_ids";
      const size = graph.node("Shape", [positions], `${name}.size`, { start: 1 });
      const total64 = graph.node("Cast", [total], `${name}.total`, { to: elementTypes.int64 });
      const past = graph.node("Sub", [total64, size], `${name}.past`);
      const range = graph.node(
        "Range",
        [
          this.integer("zero", 0),
          graph.node("Squeeze", [past, first], `${name}.past.scalar`),
          this.integer("one", 1),
        ],
        `${name}.range`,
      );
      const before = graph.node("Unsqueeze", [range, first], `${name}.before`);
      const keys = graph.node("Concat", [before, positions], `${name}.keys`, { axis: 1 });
      const queries = graph.node(
        "Unsqueeze",
        [positions, this.integers("axis.third", 2)],
        `${name}.queries`,
      );
      const distance = graph.node("Sub", [queries, keys], `${name}.distance`);
      const isNear = graph.node(
        "Less",
        [distance, this.integer("window.size", window)],
        `${name}.near`,
      );
      const hidden = weights.constant("hidden.bias", Float32Array.of(-Infinity), []);
      graph.node("Where", [isNear, bias, hidden], name);
    });
  }

  /** [S] */
  private flatPositions(): string {
    return this.weights.once("positions", (name) => {
      this.graph.node("Squeeze", ["position_ids", this.integers("axis.first", 0)], name);
    });
  }

  private feedForward(i: number, x: string): string {
    const { graph, weights, shape } = this;
    const { hidden, feedForward } = shape;
    const at = `layer.${i}`;
    const halves = this.integers("split.halves", feedForward, feedForward);
    const gateUp = weights.linear(x, `blk.${i}.gate_up`, hidden, 2 * feedForward, `${at}.gate_up`);
    graph.node("Split", [gateUp, halves], [`${at}.gate`, `${at}.up`], { axis: 1 });
    const gated = graph.node("Mul", [this.activate(`${at}.gate`), `${at}.up`], `${at}.gated`);
    const down = weights.linear(gated, `blk.${i}.down`, feedForward, hidden, `${at}.down`);
    return this.postNormalize(down, `blk.${i}.post_ffw_norm.weight`);
  }

  private activate(gate: string): string {
    const { graph } = this;
    if (this.shape.activation === "gelu") {
      return graph.node("com.microsoft:FastGelu", [gate], `${gate}.gelu`);
    }
    const sigmoid = graph.node("Sigmoid", [gate], `${gate}.sigmoid`);
    return graph.node("Mul", [gate, sigmoid], `${gate}.swish`);
  }

  private normalize(x: string, weight: string, output: string): string {
    const epsilon = { float: this.shape.epsilon };
    return this.graph.node("SimplifiedLayerNormalization", [x, weight], output, {
      axis: -1,
      epsilon,
      stash_type: 1,
    });
  }

  private postNormalize(x: string, name: string): string {
    return this.shape.postNorms ? this.normalize(x, this.weights.norm(name), `${x}.normed`) : x;
  }

  /** [the sum, normalized; the sum] */
  private add(residual: string, x: string, norm: string, output: string): [string, string] {
    const sum = `${output}.sum`;
    this.graph.node(
      "com.microsoft:SkipSimplifiedLayerNormalization",
      [residual, x, this.weights.norm(norm)],
      [output, "", "", sum],
      { epsilon: { float: this.shape.epsilon } },
    );
    return [output, sum];
  }

  private integers(name: string, ...values: number[]): string {
    return this.weights.constant(name, BigInt64Array.from(values, BigInt), [values.length]);
  }

  private integer(name: string, value: number): string {
    return this.weights.constant(name, BigInt64Array.of(BigInt(value)), []);
  }
}
