/**
 * The layout of the engine on a CPU: only new keys and values come back, so that a rejected token costs nothing to forget.
 *
 * Inputs: input_ids [1, S], position_ids [1, S], logits_rows [R], and for each attention slot b: seqlens_k.b [1] = P + S - 1, total_len.b [1] = P + S,
 * attn_bias.b [1, 1, S, P + S] (0 or -Infinity), and past_k{i}.b, past_v{i}.b [1, kvHeads, capacity, headDim], of which the first P rows count.
 * Outputs: logits [R, vocab]; new_kv [layers, 2, kvHeads, S, headDim], the rows to append, keys before values.
 *
 * A graph of several slots runs the rows of several sequences: the linear layers see all of them at once, attention each sequence for itself, so that
 * its sums are those of a run without neighbours. There rows.b [1, Sb] are the rows of a slot, S in its inputs is Sb, and unpack [S] are the places
 * of the rows in what the slots give one after another.
 *
 * GroupQueryAttention adds its own causal mask, so the nodes of a tree stand parents before children, and the bias hides the rest.
 */
import type { DecoderShape } from "./architectures.ts";
import { attentionNode, type Layout, type OpenLayout } from "./layout.ts";
import { elementTypes, type GraphBuilder } from "./onnx.ts";
import type { Weights } from "./weights.ts";

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

/** @param slots Sequences of a run, at least 1. */
export function deltaLayout(slots: number): OpenLayout {
  return (weights, shape) => new DeltaLayout(weights, shape, slots);
}

class DeltaLayout implements Layout {
  private readonly weights: Weights;
  private readonly graph: GraphBuilder;
  private readonly shape: DecoderShape;
  private readonly slots: readonly Slot[];
  private readonly firstAxis: string;
  /** Keys and values of each layer. */
  private readonly fresh: string[] = [];

  constructor(weights: Weights, shape: DecoderShape, slots: number) {
    const { graph } = weights;
    this.weights = weights;
    this.graph = graph;
    this.shape = shape;
    this.firstAxis = weights.integers("axis.first", 0);
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
        bias: graph.input(`attn_bias.${b}`, weights.float, [1, 1, rows, `T${b}`]),
      };
    });
  }

  apart(x: string, output: string): string {
    return this.graph.node("Unsqueeze", [x, this.firstAxis], output);
  }

  together(x: string, output: string): string {
    return this.graph.node("Squeeze", [x, this.firstAxis], output);
  }

  attend(i: number, packed: string): string {
    const { graph, weights, shape, slots } = this;
    const { heads, kvHeads, headDim } = shape;
    const { window } = shape.attention[i];
    const several = slots.length > 1;
    const at = `layer.${i}`;
    const kvStart = weights.integers("kv.start", heads * headDim);
    const kvEnd = weights.integers("kv.end", (heads + 2 * kvHeads) * headDim);
    const lastAxis = weights.integers("axis.last", 1);
    this.fresh.push(graph.node("Slice", [packed, kvStart, kvEnd, lastAxis], `${at}.kv`));
    const slotRows = slots.map((slot, b) => {
      const [pastKeys, pastValues] = (["k", "v"] as const).map((kind) =>
        graph.input(`past_${kind}${i}.${b}`, weights.float, [1, kvHeads, `C${b}`, headDim]),
      );
      const own = several
        ? graph.node("Gather", [packed, slot.rows], `${at}.own.${b}`)
        : this.apart(packed, `${at}.own.${b}`);
      const bias = window === null ? slot.bias : this.windowBias(slot, b, window);
      const outputs = [`${at}.attended.${b}`, `${at}.keys.${b}`, `${at}.values.${b}`] as const;
      return attentionNode(weights, shape, own, { ...slot, pastKeys, pastValues, bias }, outputs);
    });
    const joined = several
      ? graph.node("Concat", slotRows, `${at}.joined`, { axis: 1 })
      : slotRows[0];
    const together = this.together(joined, `${at}.together`);
    return several ? graph.node("Gather", [together, "unpack"], `${at}.attended`) : together;
  }

  finish(hidden: string, head: (rows: string, output: string) => void): void {
    const { graph, weights } = this;
    const { layers, vocab, kvHeads, headDim } = this.shape;
    head(graph.node("Gather", [hidden, "logits_rows"], "asked"), "logits");
    graph.output("logits", "float32", ["R", vocab]);
    graph.node("Concat", this.fresh, "kv.rows", { axis: 0 });
    const kvShape = weights.integers("kv.shape", layers, -1, 2, kvHeads, headDim);
    const kv = graph.node("Reshape", ["kv.rows", kvShape], "kv.heads");
    graph.node("Transpose", [kv], "new_kv", { perm: [0, 2, 3, 1, 4] });
    graph.output("new_kv", weights.float, [layers, 2, kvHeads, "S", headDim]);
  }

  /**
   * The bias of a slot that also hides tokens `window` positions back or more: positions, not rows as in `local_window_size` of GroupQueryAttention, so
   * that a branch of a tree sees what a chain would.
   */
  private windowBias({ rows, total, bias }: Slot, b: number, window: number): string {
    const { graph, weights } = this;
    return weights.once(`window.${b}`, (name) => {
      const first = this.firstAxis;
      const positions = rows
        ? graph.node("Gather", [this.flatPositions(), rows], `${name}.positions`)
        : "position_ids";
      const size = graph.node("Shape", [positions], `${name}.size`, { start: 1 });
      const total64 = graph.node("Cast", [total], `${name}.total`, { to: elementTypes.int64 });
      const past = graph.node("Sub", [total64, size], `${name}.past`);
      const range = graph.node(
        "Range",
        [
          weights.integer("zero", 0),
          graph.node("Squeeze", [past, first], `${name}.past.scalar`),
          weights.integer("one", 1),
        ],
        `${name}.range`,
      );
      const before = graph.node("Unsqueeze", [range, first], `${name}.before`);
      const keys = graph.node("Concat", [before, positions], `${name}.keys`, { axis: 1 });
      const queries = graph.node(
        "Unsqueeze",
        [positions, weights.integers("axis.third", 2)],
        `${name}.queries`,
      );
      const distance = graph.node("Sub", [queries, keys], `${name}.distance`);
      const isNear = graph.node(
        "Less",
        [distance, weights.integer("window.size", window)],
        `${name}.near`,
      );
      const hidden = weights.floats("hidden.bias", Float32Array.of(-Infinity), []);
      graph.node("Where", [isNear, bias, hidden], name);
    });
  }

  /** [S] */
  private flatPositions(): string {
    return this.weights.once("positions", (name) => {
      this.graph.node("Squeeze", ["position_ids", this.firstAxis], name);
    });
  }
}
