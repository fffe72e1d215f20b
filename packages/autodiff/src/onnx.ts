/**
 * Writes ONNX models: a list of nodes, inputs, outputs and initializers, encoded as the protobuf of onnx.proto3 (IR version 10). Weights live in a
 * second file beside the model ("external data"), which ONNX Runtime maps into memory.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";

/** Element types by their ONNX number. */
export const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
} as const;
export type ElementType = keyof typeof elementTypes;

/** Values of a small tensor; a Uint16Array holds halves. */
export type ConstantValues = BigInt64Array | Float32Array | Int32Array | Uint16Array | Uint8Array;

/** A number is a fixed dimension, a string a named one. */
export type Dimensions = readonly (number | string)[];

/** Where a tensor stands in the external data file. */
export interface ExternalTensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly bytes: number;
}

/** Attribute values: numbers are written as ints, arrays as lists of them, strings as strings; write a float attribute as `{ float }`. */
export type Attributes = Readonly<
  Record<string, number | string | readonly number[] | { readonly float: number }>
>;

const irVersion = 10;
const opsets = [
  ["", 21],
  ["com.microsoft", 1],
] as const;

/** Collects a graph; names are the caller's, every output name must be new. */
export class GraphBuilder {
  private readonly graph = new BinaryWriter();
  private readonly dataFile: string;

  /** @param dataFile Name of the external data file, beside the model file. */
  constructor(dataFile: string) {
    this.dataFile = dataFile;
    this.graph.uint32(tag(2)).string("main");
  }

  input(name: string, type: ElementType, dims: Dimensions): string {
    return this.declare(11, name, type, dims);
  }

  output(name: string, type: ElementType, dims: Dimensions): void {
    this.declare(12, name, type, dims);
  }

  /** Says of what type and dimensions a value between nodes is, where that cannot be inferred. */
  value(name: string, type: ElementType, dims: Dimensions): string {
    return this.declare(13, name, type, dims);
  }

  /** A small tensor inside the model file. */
  constant(name: string, values: ConstantValues, dims: readonly number[]): string {
    const types = {
      BigInt64Array: "int64",
      Float32Array: "float32",
      Int32Array: "int32",
      Uint16Array: "float16",
      Uint8Array: "uint8",
    } as const;
    const tensor = this.tensor(name, types[values[Symbol.toStringTag]], dims);
    tensor
      .uint32(tag(9))
      .bytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    tensor.join();
    return name;
  }

  /** A tensor of the external data file. */
  external(name: string, { type, dims, offset, bytes }: ExternalTensor): string {
    const tensor = this.tensor(name, type, dims);
    for (const [key, value] of [
      ["location", this.dataFile],
      ["offset", String(offset)],
      ["length", String(bytes)],
    ]) {
      tensor.uint32(tag(13)).fork().uint32(tag(1)).string(key).uint32(tag(2)).string(value).join();
    }
    tensor.uint32(tag(14, varint)).int32(1);
    tensor.join();
    return name;
  }

  /**
   * Adds a node. An empty name skips an optional input or output.
   *
   * @param op Operator, "com.microsoft:Name" for a contributed one.
   * @returns The first output.
   */
  node(
    op: string,
    inputs: readonly string[],
    outputs: string | readonly string[],
    attributes: Attributes = {},
  ): string {
    const [domain, type] = op.includes(":") ? op.split(":") : ["", op];
    const names = typeof outputs === "string" ? [outputs] : outputs;
    const node = this.graph.uint32(tag(1)).fork();
    for (const input of inputs) node.uint32(tag(1)).string(input);
    for (const output of names) node.uint32(tag(2)).string(output);
    node.uint32(tag(3)).string(names[0]);
    node.uint32(tag(4)).string(type);
    for (const [name, value] of Object.entries(attributes)) {
      const attribute = node.uint32(tag(5)).fork().uint32(tag(1)).string(name);
      if (typeof value === "number") {
        attribute.uint32(tag(3, varint)).int64(value).uint32(tag(20, varint)).int32(2);
      } else if (typeof value === "string") {
        attribute.uint32(tag(4)).string(value).uint32(tag(20, varint)).int32(3);
      } else if ("float" in value) {
        attribute.uint32(tag(2, fixed32)).float(value.float).uint32(tag(20, varint)).int32(1);
      } else {
        for (const each of value) attribute.uint32(tag(8, varint)).int64(each);
        attribute.uint32(tag(20, varint)).int32(7);
      }
      attribute.join();
    }
    if (domain) node.uint32(tag(7)).string(domain);
    node.join();
    return names[0];
  }

  /** The encoded ModelProto. Ends the builder. */
  encode(): Uint8Array {
    const model = new BinaryWriter();
    model.uint32(tag(1, varint)).int64(irVersion);
    model.uint32(tag(2)).string("veridraft");
    model.uint32(tag(7)).bytes(this.graph.finish());
    for (const [domain, version] of opsets) {
      const opset = model.uint32(tag(8)).fork();
      opset.uint32(tag(1)).string(domain).uint32(tag(2, varint)).int64(version).join();
    }
    return model.finish();
  }

  private declare(field: number, name: string, type: ElementType, dims: Dimensions): string {
    const info = this.graph.uint32(tag(field)).fork().uint32(tag(1)).string(name);
    const tensor = info.uint32(tag(2)).fork().uint32(tag(1)).fork();
    const shape = tensor.uint32(tag(1, varint)).int32(elementTypes[type]).uint32(tag(2)).fork();
    for (const dim of dims) {
      const entry = shape.uint32(tag(1)).fork();
      if (typeof dim === "number") entry.uint32(tag(1, varint)).int64(dim);
      else entry.uint32(tag(2)).string(dim);
      entry.join();
    }
    shape.join().join().join().join();
    return name;
  }

  /** Opens an initializer; the caller adds the data and joins. */
  private tensor(name: string, type: ElementType, dims: readonly number[]): BinaryWriter {
    const tensor = this.graph.uint32(tag(5)).fork();
    for (const dim of dims) tensor.uint32(tag(1, varint)).int64(dim);
    return tensor.uint32(tag(2, varint)).int32(elementTypes[type]).uint32(tag(8)).string(name);
  }
}

const varint = 0;
const delimited = 2;
const fixed32 = 5;

function tag(field: number, wireType: number = delimited): number {
  return (field << 3) | wireType;
}
