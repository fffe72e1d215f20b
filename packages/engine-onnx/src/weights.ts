/** How the weights of a graph are stored and multiplied, by format. */
import type { ExternalTensor, GraphBuilder } from "./onnx.ts";
import { blockSize } from "./quantize.ts";

/** Formats of the linear layers: 8-bit blocks, or float32 as the reference. */
export const weightFormats = ["int8", "f32"] as const;
export type WeightFormat = (typeof weightFormats)[number];

/** The weights of one graph, each declared when it is first used. */
export class Weights {
  private readonly graph: GraphBuilder;
  private readonly format: WeightFormat;
  private readonly tensors: ReadonlyMap<string, ExternalTensor>;
  private readonly declared = new Set<string>();

  /** @param tensors By name: `NAME` float32, or `NAME.values` and `NAME.scales` for 8-bit blocks. */
  constructor(
    graph: GraphBuilder,
    format: WeightFormat,
    tensors: ReadonlyMap<string, ExternalTensor>,
  ) {
    this.graph = graph;
    this.format = format;
    this.tensors = tensors;
  }

  /** y [S, N] of x [S, K]. */
  linear(x: string, name: string, K: number, N: number, output: string): string {
    if (this.format === "f32") {
      return this.graph.node("Gemm", [x, this.declare(name)], output, { transB: 1 });
    }
    // Another shape than that of the embedding, which may be the same tensor.
    const values = this.declare(`${name}.values`, `${name}.matrix`, [N, K / blockSize, blockSize]);
    const scales = this.declare(`${name}.scales`, `${name}.flat_scales`, [(N * K) / blockSize]);
    return this.graph.node("com.microsoft:MatMulNBits", [x, values, scales], output, {
      K,
      N,
      bits: 8,
      block_size: blockSize,
      accuracy_level: 4,
    });
  }

  /** Rows [1, S, hidden] of the embedding table. */
  embed(ids: string): string {
    if (this.format === "f32") {
      return this.graph.node("Gather", [this.declare("embedding"), ids], "embedded");
    }
    return this.graph.node(
      "com.microsoft:GatherBlockQuantized",
      [this.declare("embedding.values"), ids, this.declare("embedding.scales")],
      "embedded",
      { bits: 8, block_size: blockSize, gather_axis: 0, quantize_axis: 1 },
    );
  }

  /** A vector in float32 whatever the format. */
  norm(name: string): string {
    return this.declare(name);
  }

  private declare(tensor: string, name = tensor, dims?: readonly number[]): string {
    if (!this.declared.has(name)) {
      this.declared.add(name);
      const external = this.tensors.get(tensor) as ExternalTensor;
      this.graph.external(name, dims ? { ...external, dims } : external);
    }
    return name;
  }
}
