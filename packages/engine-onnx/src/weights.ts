/** How the weights of a graph are stored and multiplied, by format. */
import { toHalves } from "./half.ts";
import type {
  ConstantValues,
  ElementType,
  ExternalTensor,
  GraphBuilder,
} from "@veridraft/autodiff/onnx";
import { type Blocks, blockSize, quantizeBlocks, quantizeOutputs } from "./quantize.ts";

/**
 * Formats of a model: 8-bit blocks of 32 or of 64, 4-bit blocks where the file has them, 8-bit rows of weights and of activations, float32 as the
 * reference, or float16 throughout for a GPU.
 * On a CPU, ONNX Runtime computes float16 in float32 between casts: that of float32 with less precision, and no faster.
 */
export const weightFormats = ["int8", "int8-64", "int4", "row8", "f32", "f16"] as const;
export type WeightFormat = (typeof weightFormats)[number];

/** A matrix [rows, cols] of a model file; rows are outputs. */
export interface FileMatrix {
  readonly rows: number;
  readonly cols: number;
  floats(): Promise<Float32Array>;
  /** Blocks of {@link blockSize}, without loss where the file has such. */
  blocks(): Promise<Blocks>;
  /** 4-bit blocks of {@link blockSize} as they are in the file; null where it has others. */
  nibbles(): Promise<Blocks | null>;
}

/** Stores a tensor. */
export type AddTensor = (
  name: string,
  type: ElementType,
  dims: readonly number[],
  data: Uint8Array | Int8Array | Uint16Array | Float32Array,
) => Promise<void>;

/** A linear layer: output [S, N] of x [S, K]. */
export interface LinearLayer {
  readonly name: string;
  readonly x: string;
  readonly K: number;
  readonly N: number;
  readonly output: string;
}

/** How a matrix is stored, and the nodes that multiply by it. */
export interface LinearFormat {
  encode(name: string, matrix: FileMatrix, add: AddTensor): Promise<void>;
  linear(weights: Weights, layer: LinearLayer): string;
}

/** The same for the embedding table. */
export interface TableFormat extends LinearFormat {
  /** Rows [1, S, hidden]. */
  embed(weights: Weights, ids: string): string;
}

/** The formats of a model's matrices. */
export interface Format {
  readonly layers: LinearFormat;
  /** Of the embedding table and the output layer, which may be one. */
  readonly table: TableFormat;
  /** Whether activations are rounded as coarsely as weights, so that channels that stand out need smoothing. */
  readonly smooth?: boolean;
  /** Activations, keys, values, vectors and rotary tables; logits are float32. */
  readonly float: FloatType;
}

export type FloatType = "float32" | "float16";

/** Numbers as tensors of a type hold them. */
export function floatsAs(type: FloatType, values: Float32Array): Float32Array | Uint16Array {
  return type === "float16" ? toHalves(values) : values;
}

/** Matrices of floats as they are. */
function plain(type: FloatType): TableFormat {
  return {
    async encode(name, matrix, add) {
      const values = floatsAs(type, await matrix.floats());
      await add(name, type, [matrix.rows, matrix.cols], values);
    },
    linear(weights, { name, x, output }) {
      return weights.graph.node("Gemm", [x, weights.declare(name)], output, { transB: 1 });
    },
    embed(weights, ids) {
      return weights.graph.node("Gather", [weights.declare("embedding"), ids], "embedded");
    },
  };
}

export const float32 = plain("float32");
const float16 = plain("float16");

/** The node that multiplies by blocks. */
function blockLinear(
  weights: Weights,
  { name, x, K, N, output }: LinearLayer,
  bits: 4 | 8,
  block: number,
): string {
  // Another shape than that of the embedding, which may be the same tensor.
  const bytes = (block * bits) / 8;
  const values = weights.declare(`${name}.values`, `${name}.matrix`, [N, K / block, bytes]);
  const scales = weights.declare(`${name}.scales`, `${name}.flat_scales`, [(N * K) / block]);
  return weights.graph.node("com.microsoft:MatMulNBits", [x, values, scales], output, {
    K,
    N,
    bits,
    block_size: block,
    accuracy_level: 4,
  });
}

/** 8-bit blocks along the inputs; of 32 where those are no multiple of `size`. */
function blocksOf(size: number): LinearFormat {
  const sizeFor = (K: number): number => (K % size === 0 ? size : blockSize);
  return {
    async encode(name, matrix, add) {
      const { rows, cols } = matrix;
      const block = sizeFor(cols);
      const { values, scales } =
        block === blockSize ? await matrix.blocks() : quantizeBlocks(await matrix.floats(), block);
      await add(`${name}.values`, "uint8", [rows, cols], values);
      await add(`${name}.scales`, "float32", [rows, cols / block], scales);
    },
    linear(weights, layer) {
      return blockLinear(weights, layer, 8, sizeFor(layer.K));
    },
  };
}

const blocks: TableFormat = {
  ...blocksOf(blockSize),
  embed(weights, ids) {
    return weights.graph.node(
      "com.microsoft:GatherBlockQuantized",
      [weights.declare("embedding.values"), ids, weights.declare("embedding.scales")],
      "embedded",
      { bits: 8, block_size: blockSize, gather_axis: 0, quantize_axis: 1 },
    );
  },
};

/** 4-bit blocks where the file has such, which loses nothing; elsewhere 8-bit ones. */
const nibbles: LinearFormat = {
  async encode(name, matrix, add) {
    const found = await matrix.nibbles();
    if (found === null) return blocks.encode(name, matrix, add);
    const { rows, cols } = matrix;
    await add(`${name}.values`, "uint8", [rows, cols / 2], found.values);
    await add(`${name}.scales`, "float32", [rows, cols / blockSize], found.scales);
  },
  linear(weights, layer) {
    const bits = weights.bytesOf(`${layer.name}.values`) < layer.N * layer.K ? 4 : 8;
    return blockLinear(weights, layer, bits, blockSize);
  },
};

/** One scale for each output of the weights and one for each row of activations: sums of integers, which round nothing. */
const rows8: LinearFormat = {
  async encode(name, matrix, add) {
    const { rows, cols } = matrix;
    const { values, scales } = quantizeOutputs(await matrix.floats(), cols);
    await add(`${name}.values`, "int8", [cols, rows], values);
    await add(`${name}.scales`, "float32", [rows], scales);
  },
  linear(weights, { name, x, output }) {
    const { graph } = weights;
    const last = weights.constant("row8.last", BigInt64Array.of(-1n), [1]);
    const step = weights.constant("row8.step", Float32Array.of(1 / 127), []);
    const one = weights.constant("row8.one", Float32Array.of(1), []);
    const zero = weights.constant("row8.zero", Uint8Array.of(128), []);
    const magnitudes = graph.node("Abs", [x], `${output}.abs`);
    const largest = graph.node("ReduceMax", [magnitudes, last], `${output}.max`, { keepdims: 0 });
    const scale = graph.node("Mul", [largest, step], `${output}.scale`);
    const zeros = weights.once("row8.zeros", (shared) => {
      graph.node("Expand", [zero, graph.node("Shape", [scale], "row8.count")], shared);
    });
    const rounded = graph.node("QuantizeLinear", [x, scale, zeros], `${output}.rounded`, {
      axis: 0,
    });
    const values = weights.declare(`${name}.values`);
    const scales = weights.declare(`${name}.scales`);
    const product = graph.node(
      "com.microsoft:MatMulIntegerToFloat",
      [rounded, values, one, scales, zero],
      `${output}.product`,
    );
    const column = graph.node("Unsqueeze", [scale, last], `${output}.column`);
    return graph.node("Mul", [product, column], output);
  },
};

export const formats: Readonly<Record<WeightFormat, Format>> = {
  int8: { layers: blocks, table: blocks, float: "float32" },
  "int8-64": { layers: blocksOf(64), table: blocks, float: "float32" },
  int4: { layers: nibbles, table: blocks, float: "float32" },
  row8: { layers: rows8, table: blocks, float: "float32", smooth: true },
  f32: { layers: float32, table: float32, float: "float32" },
  f16: { layers: float16, table: float16, float: "float16" },
};

/** The format of a matrix by its graph name. */
export function formatOf({ layers, table }: Format, name: string): LinearFormat {
  return name === "embedding" || name === "head" ? table : layers;
}

/** The weights of one graph, each declared when it is first used. */
export class Weights {
  readonly graph: GraphBuilder;
  private readonly format: Format;
  private readonly tensors: ReadonlyMap<string, ExternalTensor>;
  private readonly declared = new Set<string>();

  /** @param tensors By name, as `encode` of the format stored them; vectors in its float type. */
  constructor(graph: GraphBuilder, format: Format, tensors: ReadonlyMap<string, ExternalTensor>) {
    this.graph = graph;
    this.format = format;
    this.tensors = tensors;
  }

  /** The type of activations, keys and values. */
  get float(): FloatType {
    return this.format.float;
  }

  /** y [S, N] of x [S, K]. */
  linear(x: string, name: string, K: number, N: number, output: string): string {
    return formatOf(this.format, name).linear(this, { name, x, K, N, output });
  }

  /** Rows [1, S, hidden] of the embedding table. */
  embed(ids: string): string {
    return this.format.table.embed(this, ids);
  }

  /** Size of a stored tensor. */
  bytesOf(tensor: string): number {
    return (this.tensors.get(tensor) as ExternalTensor).bytes;
  }

  /** A stored tensor, by default under its own name and in its own shape. */
  declare(tensor: string, name = tensor, dims?: readonly number[]): string {
    return this.once(name, () => {
      const external = this.tensors.get(tensor) as ExternalTensor;
      this.graph.external(name, dims ? { ...external, dims } : external);
    });
  }

  /** A small tensor that several layers share. */
  constant(name: string, values: ConstantValues, dims: readonly number[]): string {
    return this.once(name, () => this.graph.constant(name, values, dims));
  }

  /** Numbers in the type of activations. */
  floats(name: string, values: Float32Array, dims: readonly number[]): string {
    return this.constant(name, floatsAs(this.float, values), dims);
  }

  /** A vector of int64. */
  integers(name: string, ...values: number[]): string {
    return this.constant(name, BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** A scalar of int64. */
  integer(name: string, value: number): string {
    return this.constant(name, BigInt64Array.of(BigInt(value)), []);
  }

  /** What several layers share, made when the first of them needs it. */
  once(name: string, make: (name: string) => void): string {
    if (!this.declared.has(name)) {
      this.declared.add(name);
      make(name);
    }
    return name;
  }
}
