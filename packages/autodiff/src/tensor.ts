/**
 * Tensors are values of a graph: a tensor knows its type, the node that makes it, and nothing else. A node holds an operation, its inputs and its
 * attributes. No state is shared between graphs, and nothing is computed until a runner does so.
 */
import { ShapeError } from "@veridraft/core-probs";
import type { Lowering } from "./lowering.ts";

/** A size: a number, or the name of one that is known when the graph runs. */
export type Dim = number | string;
/** The sizes of the axes, outermost first; [] is a scalar. */
export type Shape = readonly Dim[];
/** Types of elements; gradients exist for float32 only. */
export type DType = "float32" | "int32" | "int64" | "bool";

/** What is known of a tensor before it has a value. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A value of a graph. Immutable; make one with {@link input}, {@link constant} or an operation. */
export interface Tensor extends TensorType {
  readonly node: GraphNode;
  /** Which output of the node. */
  readonly output: number;
}

/** An operation applied to inputs. */
export interface GraphNode<A = unknown> {
  readonly operation: Operation<A>;
  readonly inputs: readonly Tensor[];
  readonly attributes: A;
  readonly outputs: readonly Tensor[];
}

/** A kind of node. @typeParam A Its attributes. */
export interface Operation<A = unknown> {
  readonly name: string;
  /** The types of the outputs. @throws ShapeError for inputs that do not fit. */
  infer(inputs: readonly Tensor[], attributes: A): readonly TensorType[];
  /**
   * The vector-Jacobian product, as tensors, so that it can be differentiated again.
   *
   * @param gradients By output, in its shape; null where the loss does not depend on it, never all of them.
   * @returns By input, in its shape; null where there is none.
   */
  vjp(node: GraphNode<A>, gradients: readonly (Tensor | null)[]): readonly (Tensor | null)[];
  /** Writes ONNX nodes. @param inputs Names of values. @returns The names of the outputs. */
  lower(lowering: Lowering, inputs: readonly string[], node: GraphNode<A>): readonly string[];
}

/** The data of a tensor: a bool is a byte, 0 or 1. Tensors of int64 exist in graphs only. */
export type HostData = Float32Array | Int32Array | Uint8Array;

/** Applies an operation of one output. @throws ShapeError where the inputs do not fit it. */
export function apply<A>(
  operation: Operation<A>,
  inputs: readonly Tensor[],
  attributes: A,
): Tensor {
  return applyAll(operation, inputs, attributes)[0];
}

/** Applies an operation; all its outputs. @throws ShapeError where the inputs do not fit it. */
export function applyAll<A>(
  operation: Operation<A>,
  inputs: readonly Tensor[],
  attributes: A,
): readonly Tensor[] {
  const outputs: Tensor[] = [];
  const node: GraphNode<A> = { operation, inputs, attributes, outputs };
  for (const { dtype, shape } of operation.infer(inputs, attributes)) {
    outputs.push({ dtype, shape, node: node as GraphNode, output: outputs.length });
  }
  return outputs;
}

/** Operations whose output has no gradient end their vjp with this. */
export const noGradients = ({ inputs }: GraphNode<never>): null[] => inputs.map(() => null);

/** The operation of graph inputs. */
export const inputOperation: Operation<TensorType> = {
  name: "input",
  infer: (_, type) => [type],
  vjp: noGradients,
  lower() {
    throw new Error("lower: an input that is not among the inputs of the graph");
  },
};

/** A tensor whose value is fed at run time. */
export function input(dtype: DType, shape: Shape): Tensor {
  return apply(inputOperation, [], { dtype, shape });
}

/** Attributes of {@link constant}. */
export interface ConstantValue {
  readonly data: HostData | BigInt64Array;
  readonly shape: readonly number[];
}

/** Bytes up to which a constant may be part of a graph. */
const maxConstantBytes = 16 * 1024;

export const constantOperation: Operation<ConstantValue> = {
  name: "constant",
  infer: (_, { data, shape }) => [{ dtype: dtypeOf(data), shape }],
  vjp: noGradients,
  lower: (lowering, _, { attributes }) => [lowering.constant(attributes.data, attributes.shape)],
};

/**
 * A tensor of known values, part of the graph.
 *
 * @param shape By default that of a vector.
 * @throws ShapeError where the shape holds another number of elements, or for more than 16 KiB: a graph is compiled once and its weights are fed.
 */
export function constant(
  data: ConstantValue["data"],
  shape: readonly number[] = [data.length],
): Tensor {
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(
      `constant: shape ${showShape(shape)} holds ${sizeOf(shape)} elements, got ${data.length}`,
    );
  }
  if (data.byteLength > maxConstantBytes) {
    throw new ShapeError(
      `constant: ${data.byteLength} bytes would become part of the graph, at most ${maxConstantBytes} may; pass them as an argument of the function`,
    );
  }
  return apply(constantOperation, [], { data, shape });
}

/** A scalar of known value. */
export function scalar(value: number, dtype: DType = "float32"): Tensor {
  const data = {
    float32: () => Float32Array.of(value),
    int32: () => Int32Array.of(value),
    int64: () => BigInt64Array.of(BigInt(value)),
    bool: () => Uint8Array.of(value),
  };
  return apply(constantOperation, [], { data: data[dtype](), shape: [] });
}

/** The value of a float32 scalar made by {@link scalar}, else null. */
export function knownScalar({ node, shape }: Tensor): number | null {
  if (node.operation !== (constantOperation as Operation) || shape.length > 0) return null;
  return Number((node.attributes as ConstantValue).data[0]);
}

/** The type of elements that an array holds. */
export function dtypeOf(data: ConstantValue["data"]): DType {
  const types = {
    Float32Array: "float32",
    Int32Array: "int32",
    BigInt64Array: "int64",
    Uint8Array: "bool",
  } as const;
  return types[data[Symbol.toStringTag] as keyof typeof types];
}

/** Whether a value is a tensor of a graph. */
export function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "node" in value && "output" in value;
}

/** Elements of a shape of known sizes. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** As errors show a shape. @example showShape(["batch", 3]) // "[batch, 3]" */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/**
 * The nodes that the tensors need, inputs before their users.
 *
 * @param enter Whether to go on below a node; by default everywhere.
 */
export function orderNodes(
  tensors: readonly Tensor[],
  enter: (node: GraphNode) => boolean = () => true,
): GraphNode[] {
  const order: GraphNode[] = [];
  const state = new Set<GraphNode>();
  const done = new Set<GraphNode>();
  const stack = tensors.map(({ node }) => node).toReversed();
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    if (done.has(node)) stack.pop();
    else if (state.has(node)) {
      done.add(node);
      order.push(node);
      stack.pop();
    } else {
      state.add(node);
      if (!enter(node)) continue;
      for (let i = node.inputs.length - 1; i >= 0; i--) {
        if (!state.has(node.inputs[i].node)) stack.push(node.inputs[i].node);
      }
    }
  }
  return order;
}
