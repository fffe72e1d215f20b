/**
 * The layout of the engine on a CPU: only new keys and values come back, so that a rejected token costs nothing to forget.
 *
 * Inputs: input_ids [1, S], position_ids [1, S], logits_rows [R], and for each attention slot b: seqlens_k.b [1] = P + S - 1, total_len.b [1] = P + S,
 * attn_bias.b [1, 1, S, P + S] (0 or -Infinity), and past_k{i}.b, past_v{i}.b [1, kvHeads, capacity, headDim], of which the first P rows count.
 * Outputs: logits [R, vocab]; taps [R, 3 hidden], hidden states of three layers side by side; new_kv [layers, 2, kvHeads, S, headDim], the rows to append, keys before values. A cache type of several planes has past
 * and new ones for each, in its type and width.
 *
 * A graph of several slots runs the rows of several sequences: the linear layers see all of them at once, attention each sequence for itself, so that
 * its sums are those of a run without neighbours. There rows.b [1, Sb] are the rows of a slot, S in its inputs is Sb, and unpack [S] are the places
 * of the rows in what the slots give one after another.
 *
 * GroupQueryAttention adds its own causal mask, so the nodes of a tree stand parents before children, and the bias hides the rest.
 */
import type { DecoderShape } from "./architectures.ts";
import { type CacheType, type Plane, planesOf, restoreRows, roundRows } from "./cache-type.ts";
import { attentionNode, type Layout, type OpenLayout } from "./layout.ts";
import { elementTypes, type GraphBuilder } from "@veridraft/autodiff/onnx";
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
export function deltaLayout(slots: number, cacheType: CacheType): OpenLayout {
  return (weights, shape) => new DeltaLayout(weights, shape, slots, cacheType);
}

class DeltaLayout implements Layout {
  private readonly weights: Weights;
  private readonly graph: GraphBuilder;
  private readonly shape: DecoderShape;
  private readonly slots: readonly Slot[];
  private readonly firstAxis: string;
  private readonly cacheType: CacheType;
  private readonly planes: readonly Plane[];
  /** Keys and values of each layer, by plane. */
  private readonly fresh: string[][];

  constructor(weights: Weights, shape: DecoderShape, slots: number, cacheType: CacheType) {
    const { graph } = weights;
    this.cacheType = cacheType;
    this.planes = planesOf(cacheType, shape.headDim);
    this.fresh = this.planes.map(() => []);
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
    const { kvHeads } = shape;
    const { window } = shape.attention[i];
    const several = slots.length > 1;
    const at = `layer.${i}`;
    const seen = this.keep(i, packed);
    const slotRows = slots.map((slot, b) => {
      const [pastKeys, pastValues] = (["k", "v"] as const).map((kind) => {
        const kept = this.planes.map(({ suffix, type, width }) =>
          graph.input(`past_${kind}${i}${suffix}.${b}`, type, [1, kvHeads, `C${b}`, width]),
        );
        return restoreRows(this.cacheType, weights, shape, kept);
      });
      const own = several
        ? graph.node("Gather", [seen, slot.rows], `${at}.own.${b}`)
        : this.apart(seen, `${at}.own.${b}`);
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

  /** Puts keys and values by for the cache, and gives the rows as attention shall see them. */
  private keep(i: number, packed: string): string {
    const { graph, weights, shape } = this;
    const { heads, kvHeads, headDim } = shape;
    const [queries, both] = [heads * headDim, 2 * kvHeads * headDim];
    const at = `layer.${i}`;
    if (this.cacheType === "f32") {
      const start = weights.integers("kv.start", queries);
      const end = weights.integers("kv.end", queries + both);
      const lastAxis = weights.integers("axis.last", 1);
      this.fresh[0].push(graph.node("Slice", [packed, start, end, lastAxis], `${at}.kv`));
      return packed;
    }
    const sizes = weights.integers("kv.sizes", queries, both);
    graph.node("Split", [packed, sizes], [`${at}.q`, `${at}.kv`], { axis: 1 });
    const { planes, restored } = roundRows(this.cacheType, weights, shape, `${at}.kv`);
    planes.forEach((plane, p) => this.fresh[p].push(plane));
    return graph.node("Concat", [`${at}.q`, restored], `${at}.seen`, { axis: 1 });
  }

  finish(
    hidden: string,
    taps: readonly string[],
    head: (rows: string, output: string) => void,
  ): void {
    const { graph, weights } = this;
    const { layers, vocab, kvHeads } = this.shape;
    head(graph.node("Gather", [hidden, "logits_rows"], "asked"), "logits");
    graph.output("logits", "float32", ["R", vocab]);
    // Computed in every run, so of the rows that are asked for alone.
    const rows = taps.map((tap, i) => graph.node("Gather", [tap, "logits_rows"], `tap.${i}`));
    graph.node("Concat", rows, "taps", { axis: 1 });
    graph.output("taps", weights.float, ["R", taps.length * this.shape.hidden]);
    this.planes.forEach(({ suffix, type, width }, p) => {
      const at = `kv${suffix}`;
      graph.node("Concat", this.fresh[p], `${at}.rows`, { axis: 0 });
      const dims = weights.integers(`${at}.shape`, layers, -1, 2, kvHeads, width);
      const kv = graph.node("Reshape", [`${at}.rows`, dims], `${at}.heads`);
      graph.node("Transpose", [kv], `new_${at}`, { perm: [0, 2, 3, 1, 4] });
      graph.output(`new_${at}`, type, [layers, 2, kvHeads, "S", width]);
    });
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
