/**
 * The layout of Hugging Face exports, which Transformers.js and Optimum run and which leaves keys and values on a device: all of them come out, those of
 * the next call's past.
 *
 * Inputs, int64: input_ids [B, S], attention_mask [B, P + S], position_ids [B, S], num_logits_to_keep [] (0 for all rows, n for the last n); and
 * past_key_values.{i}.key, past_key_values.{i}.value [B, kvHeads, P, headDim].
 * Outputs: logits [B, R, vocab], float32; present.{i}.key, present.{i}.value [B, kvHeads, P + S, headDim].
 *
 * GroupQueryAttention counts the tokens that the mask keeps, so nothing may stand before them: sequences side by side have one length. Rows of a past
 * beyond those of the mask do not count, and stay at the end of present; so a shorter mask forgets tokens. With a past, B > 1 takes S = 1.
 */
import type { DecoderShape } from "./architectures.ts";
import { attentionNode, type Layout, type OpenLayout } from "./layout.ts";
import { elementTypes, type GraphBuilder } from "@veridraft/autodiff/onnx";
import type { Weights } from "./weights.ts";

const int32 = { to: elementTypes.int32 };
/** Past the end of any axis. */
const end = 2 ** 31 - 1;

export const presentLayout: OpenLayout = (weights, shape) => new PresentLayout(weights, shape);

class PresentLayout implements Layout {
  private readonly weights: Weights;
  private readonly graph: GraphBuilder;
  private readonly shape: DecoderShape;
  private readonly seqlens: string;
  private readonly total: string;

  constructor(weights: Weights, shape: DecoderShape) {
    const { graph } = weights;
    this.weights = weights;
    this.graph = graph;
    this.shape = shape;
    graph.input("input_ids", "int64", ["batch_size", "sequence_length"]);
    graph.input("attention_mask", "int64", ["batch_size", "total_sequence_length"]);
    graph.input("position_ids", "int64", ["batch_size", "sequence_length"]);
    graph.input("num_logits_to_keep", "int64", []);
    const lastAxis = weights.integers("axis.last", 1);
    const kept = graph.node("ReduceSum", ["attention_mask", lastAxis], "mask.kept", {
      keepdims: 0,
    });
    const before = graph.node("Sub", [kept, weights.integer("one", 1)], "mask.before");
    this.seqlens = graph.node("Cast", [before], "seqlens_k", int32);
    const columns = graph.node("Shape", ["attention_mask"], "mask.columns", { start: 1 });
    this.total = graph.node("Cast", [columns], "total_len", int32);
  }

  apart(x: string, output: string, width: number): string {
    const { graph, weights } = this;
    const shape = weights.once(`shape.${width}`, (name) => {
      const sequences = weights.once("sequences", (batch) => {
        graph.node("Shape", ["input_ids"], batch, { start: 0, end: 1 });
      });
      const rest = weights.integers(`rows.${width}`, -1, width);
      graph.node("Concat", [sequences, rest], name, { axis: 0 });
    });
    return graph.node("Reshape", [x, shape], output);
  }

  together(x: string, output: string, width: number): string {
    return this.graph.node(
      "Reshape",
      [x, this.weights.integers(`rows.${width}`, -1, width)],
      output,
    );
  }

  attend(i: number, packed: string): string {
    const { graph, weights, shape, seqlens, total } = this;
    const { heads, kvHeads, headDim } = shape;
    const at = `layer.${i}`;
    const own = this.apart(packed, `${at}.own`, (heads + 2 * kvHeads) * headDim);
    const dims = (length: string) => ["batch_size", kvHeads, length, headDim];
    const past = (kind: "key" | "value"): string =>
      graph.input(`past_key_values.${i}.${kind}`, weights.float, dims("past_sequence_length"));
    const inputs = { pastKeys: past("key"), pastValues: past("value"), seqlens, total, bias: "" };
    const present = [`present.${i}.key`, `present.${i}.value`] as const;
    const outputs = [`${at}.attended`, ...present] as const;
    const window = shape.attention[i].window ?? undefined;
    const attended = attentionNode(weights, shape, own, inputs, outputs, window);
    for (const name of present) graph.output(name, weights.float, dims("total_sequence_length"));
    return this.together(attended, `${at}.together`, heads * headDim);
  }

  finish(
    hidden: string,
    _taps: readonly string[],
    head: (rows: string, output: string) => void,
  ): void {
    const { graph, weights } = this;
    const { hidden: width, vocab } = this.shape;
    const apart = this.apart(hidden, "asked.apart", width);
    // From the end; none from there is from the beginning.
    const last = graph.node("Neg", ["num_logits_to_keep"], "asked.last");
    const start = graph.node("Unsqueeze", [last, weights.integers("axis.first", 0)], "asked.start");
    const ends = [weights.integers("asked.end", end), weights.integers("axis.last", 1)];
    const asked = graph.node("Slice", [apart, start, ...ends], "asked");
    head(this.together(asked, "asked.rows", width), "logits.rows");
    this.apart("logits.rows", "logits", vocab);
    graph.output("logits", "float32", ["batch_size", "logits_length", vocab]);
  }
}
