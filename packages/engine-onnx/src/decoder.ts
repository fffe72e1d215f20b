/**
 * A decoder network as an ONNX graph; its architecture is in its shape, and what goes in and comes out beside the network is its layout's.
 *
 * The rows of all sequences run through the linear layers as one matrix; rotation and attention take them apart.
 */
import { type DecoderShape, type Rope, tapsOf } from "./architectures.ts";
import type { Layout, OpenLayout } from "./layout.ts";
import { elementTypes, type ExternalTensor, GraphBuilder } from "@veridraft/autodiff/onnx";
import { type Format, Weights } from "./weights.ts";

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
 */
export function buildDecoder(
  shape: DecoderShape,
  format: Format,
  tensors: ReadonlyMap<string, ExternalTensor>,
  dataFile: string,
  openLayout: OpenLayout,
): Uint8Array {
  const graph = new GraphBuilder(dataFile);
  const weights = new Weights(graph, format, tensors);
  return new DecoderGraph(shape, weights, openLayout(weights, shape)).encode();
}

class DecoderGraph {
  private readonly shape: DecoderShape;
  private readonly weights: Weights;
  private readonly graph: GraphBuilder;
  private readonly layout: Layout;

  constructor(shape: DecoderShape, weights: Weights, layout: Layout) {
    this.shape = shape;
    this.weights = weights;
    this.graph = weights.graph;
    this.layout = layout;
  }

  encode(): Uint8Array {
    const { graph, weights, shape } = this;
    const { layers, hidden } = shape;
    let residual = graph.node(
      "Reshape",
      [weights.embed("input_ids"), weights.integers("shape.flat", -1, hidden)],
      "hidden",
    );
    if (shape.scaledEmbedding) {
      const root = weights.floats("hidden.root", Float32Array.of(Math.sqrt(hidden)), []);
      residual = graph.node("Mul", [residual, root], "hidden.scaled");
    }
    let x = this.normalize(residual, weights.declare("blk.0.attn_norm.weight"), "normed");
    const residuals: string[] = [];
    for (let i = 0; i < layers; i++) {
      const attended = this.attention(i, x);
      [x, residual] = this.add(residual, attended, `blk.${i}.ffn_norm.weight`, `layer.${i}.ffn`);
      const fed = this.feedForward(i, x);
      const next = i + 1 < layers ? `blk.${i + 1}.attn_norm.weight` : "output_norm.weight";
      [x, residual] = this.add(residual, fed, next, `layer.${i}.out`);
      residuals.push(residual);
    }
    const taps = tapsOf(shape).map((layer) => residuals[layer - 1]);
    this.layout.finish(x, taps, (rows, output) => this.head(rows, output));
    return graph.encode();
  }

  private head(rows: string, output: string): void {
    const { graph, weights, shape } = this;
    const name = shape.tied ? "embedding" : "head";
    const linear = (to: string): string =>
      weights.linear(rows, name, shape.hidden, shape.vocab, to);
    if (weights.float === "float32") linear(output);
    else graph.node("Cast", [linear(`${output}.halves`)], output, { to: elementTypes.float32 });
  }

  private attention(i: number, x: string): string {
    const { graph, weights, shape } = this;
    const { hidden, heads, kvHeads, headDim } = shape;
    const at = `layer.${i}`;
    const packedWidth = (heads + 2 * kvHeads) * headDim;
    const qkv = weights.linear(x, `blk.${i}.qkv`, hidden, packedWidth, `${at}.qkv`);
    const packed = this.position(
      i,
      shape.biased
        ? graph.node("Add", [qkv, weights.declare(`blk.${i}.qkv.bias`)], `${at}.biased`)
        : qkv,
    );
    const attended = this.layout.attend(i, packed);
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
    const parts = weights.integers("split.rotated", width, kvHeads * headDim);
    // Queries and keys rotate alike.
    graph.node("Split", [qkv, parts], [`${at}.qk`, `${at}.v`], { axis: 1 });
    let qk = `${at}.qk`;
    if (headNorms) {
      const byHead = weights.integers("shape.heads", -1, heads + kvHeads, headDim);
      const flat = weights.integers("shape.qk", -1, width);
      const ones = weights.floats("head.ones", new Float32Array(headDim).fill(1), [headDim]);
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
      const sequences = this.layout.apart(qk, `${at}.qk.apart`, width);
      graph.node(
        "com.microsoft:RotaryEmbedding",
        [sequences, "position_ids", weights.declare(cos), weights.declare(sin)],
        `${at}.rotated`,
      );
      qk = this.layout.together(`${at}.rotated`, `${at}.rotated.rows`, width);
    }
    return graph.node("Concat", [qk, `${at}.v`], `${at}.packed`, { axis: 1 });
  }

  private feedForward(i: number, x: string): string {
    const { graph, weights, shape } = this;
    const { hidden, feedForward } = shape;
    const at = `layer.${i}`;
    const halves = weights.integers("split.halves", feedForward, feedForward);
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
    return this.shape.postNorms ? this.normalize(x, this.weights.declare(name), `${x}.normed`) : x;
  }

  /** [the sum, normalized; the sum] */
  private add(residual: string, x: string, norm: string, output: string): [string, string] {
    const sum = `${output}.sum`;
    this.graph.node(
      "com.microsoft:SkipSimplifiedLayerNormalization",
      [residual, x, this.weights.declare(norm)],
      [output, "", "", sum],
      { epsilon: { float: this.shape.epsilon } },
    );
    return [output, sum];
  }
}
