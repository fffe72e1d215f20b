/** Writes tensors as an ONNX model. */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { type Attributes, type ExternalTensor, GraphBuilder } from "./onnx.ts";
import type { Graph, GraphValue, HostTensor } from "./runner.ts";
import {
  type ConstantValue,
  type Dim,
  type DType,
  dtypeOf,
  type GraphNode,
  orderNodes,
  type Shape,
  type Tensor,
} from "./tensor.ts";

interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** What an operation writes its nodes with. */
export class Lowering {
  readonly nodes: OnnxNode[] = [];
  private readonly builder: GraphBuilder;
  private readonly known = new Map<string, string>();
  /** By the name of a size: a value that has it, and on which axis. */
  private readonly sources = new Map<string, readonly [string, number]>();
  private count = 0;

  constructor(builder: GraphBuilder) {
    this.builder = builder;
  }

  /** Adds a node of one output, "com.microsoft:Name" for a contributed operator; its name. */
  node(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.outputs(op, inputs, 1, attributes)[0];
  }

  /** Adds a node of several outputs; their names. */
  outputs(
    op: string,
    inputs: readonly string[],
    count: number,
    attributes: Attributes = {},
  ): string[] {
    const outputs = Array.from({ length: count }, () => `v${this.count++}`);
    this.nodes.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  /** Says what the runtime cannot infer of a value. */
  typed(name: string, dtype: DType, shape: Shape): string {
    return this.builder.value(name, dtype, shape);
  }

  /** A tensor of known values. */
  constant(data: ConstantValue["data"], shape: readonly number[]): string {
    const key = `${dtypeOf(data)} ${shape.join()} ${data.join()}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    let name = this.builder.constant(`c${this.known.size}`, data, shape);
    if (dtypeOf(data) === "bool") name = this.node("Cast", [name], { to: 9 });
    this.known.set(key, name);
    return name;
  }

  /** A vector of int64, as axes and sizes are. */
  integers(...values: readonly number[]): string {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.constant(Float32Array.of(value), []);
  }

  /** A shape as a vector of int64; named sizes are read from a value that has them. */
  shape(shape: Shape): string {
    if (shape.every((size) => typeof size === "number")) return this.integers(...shape);
    const sizes = shape.map((size) => this.size(size));
    return sizes.length === 1 ? sizes[0] : this.node("Concat", sizes, { axis: 0 });
  }

  /** A size as an int64 vector of one. @throws InvalidArgumentError for a name that no input has. */
  size(size: Dim): string {
    if (typeof size === "number") return this.integers(size);
    const key = `size ${size}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const source = this.sources.get(size);
    if (!source) {
      throw new InvalidArgumentError(
        `buildGraph: the size ${size} is on no axis of an input, so that its value is not known when the graph runs`,
      );
    }
    const [name, axis] = source;
    const read = this.node("Shape", [name], { start: axis, end: axis + 1 });
    this.known.set(key, read);
    return read;
  }

  /** Whether a value with this size has been made. */
  hasSize(size: Dim): boolean {
    return typeof size === "number" || this.sources.has(size);
  }

  /** Takes note of the named sizes of a value. */
  learnSizes(name: string, shape: Shape): void {
    shape.forEach((size, axis) => {
      if (typeof size === "string" && !this.sources.has(size)) this.sources.set(size, [name, axis]);
    });
  }
}

/** Tensors by name. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/**
 * The ONNX model that computes `outputs` from `inputs`.
 *
 * @param inputs Made by `input`.
 * @param weights Values of inputs that become part of the model, and are then no inputs of it: for a model that is saved. Those of a large one, 2 GiB
 * being the most that a model file holds, stand in a file beside it.
 * @param dataFile The name of that file.
 * @throws InvalidArgumentError where the outputs need an input that is not among them.
 */
export function buildGraph(
  inputs: NamedTensors,
  outputs: NamedTensors,
  weights: Readonly<Record<string, HostTensor | ExternalTensor>> = {},
  dataFile = "",
): Graph {
  const builder = new GraphBuilder(dataFile);
  const lowering = new Lowering(builder);
  const names = new Map<Tensor, string>();
  const given = new Set<GraphNode>();
  for (const [name, tensor] of Object.entries(inputs)) {
    const value = weights[name];
    if (value === undefined) builder.input(name, tensor.dtype, tensor.shape);
    else if ("data" in value) builder.constant(name, value.data, value.shape);
    else builder.external(name, value);
    lowering.learnSizes(name, tensor.shape);
    names.set(tensor, name);
    given.add(tensor.node);
  }
  for (const node of scheduleNodes(Object.values(outputs))) {
    if (given.has(node)) continue;
    if (node.operation.name === "input") {
      throw new InvalidArgumentError(
        `buildGraph: the outputs depend on an input ${node.outputs[0].dtype} [${node.outputs[0].shape.join(", ")}] that is not among the inputs ${Object.keys(inputs).join(", ")}; a tensor of another trace cannot be used`,
      );
    }
    const written = node.operation.lower(
      lowering,
      node.inputs.map((tensor) => names.get(tensor) as string),
      node,
    );
    node.outputs.forEach((tensor, i) => {
      if (written[i] === undefined) return;
      names.set(tensor, written[i]);
      lowering.learnSizes(written[i], tensor.shape);
    });
  }
  writeOutputs(builder, lowering, names, outputs);
  const values = (named: NamedTensors): GraphValue[] =>
    Object.entries(named).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  return {
    model: builder.encode(),
    inputs: values(inputs).filter(({ name }) => !(name in weights)),
    outputs: values(outputs),
  };
}

/** Writes the nodes, with the names that the outputs shall have. */
function writeOutputs(
  builder: GraphBuilder,
  lowering: Lowering,
  names: ReadonlyMap<Tensor, string>,
  outputs: NamedTensors,
): void {
  const made = new Set(lowering.nodes.flatMap((node) => node.outputs));
  const renamed = new Map<string, string>();
  const copies: [value: string, name: string][] = [];
  for (const [name, tensor] of Object.entries(outputs)) {
    builder.output(name, tensor.dtype, tensor.shape);
    const value = names.get(tensor) as string;
    if (made.has(value) && !renamed.has(value)) renamed.set(value, name);
    else copies.push([value, name]);
  }
  const rename = (name: string): string => renamed.get(name) ?? name;
  for (const { op, inputs, outputs: results, attributes } of lowering.nodes) {
    builder.node(op, inputs.map(rename), results.map(rename), attributes);
  }
  for (const [value, name] of copies) builder.node("Identity", [rename(value)], name);
}

/**
 * The nodes in an order that frees memory early. ONNX Runtime starts from the nodes that nobody reads, the last one first, and makes what each needs; in a
 * training step these are the gradients of parameters. So the deeper ones, for which more must be there, come before the others.
 */
function scheduleNodes(outputs: readonly Tensor[]): GraphNode[] {
  const order = orderNodes(outputs);
  const read = new Set(order.flatMap(({ inputs }) => inputs.map(({ node }) => node)));
  const depths = new Map<GraphNode, number>();
  const depthOf = (node: GraphNode): number => depths.get(node) ?? 0;
  for (const node of order) {
    depths.set(node, 1 + Math.max(0, ...node.inputs.map((tensor) => depthOf(tensor.node))));
  }
  const last = order.filter((node) => !read.has(node));
  return [
    ...order.filter((node) => read.has(node)),
    ...last.toSorted((a, b) => depthOf(b) - depthOf(a)),
  ];
}
