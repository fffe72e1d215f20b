/** What runs a graph: a runtime implements these types (`createGraphRunner` of engine-onnx does). */
import type { DType, HostData, Shape } from "./tensor.ts";

/** A tensor with its values, row by row. */
export interface HostTensor {
  readonly data: HostData;
  readonly shape: readonly number[];
}

/** A value that goes into or comes out of a graph. */
export interface GraphValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** An encoded ONNX model and what it takes and gives. */
export interface Graph {
  readonly model: Uint8Array;
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
}

/** A graph that is ready to run. */
export interface Program {
  /** @param feeds A tensor for each input, by name. @returns A tensor for each output, by name. @throws InvalidArgumentError for an input without one. */
  run(feeds: Readonly<Record<string, HostTensor>>): Promise<Readonly<Record<string, HostTensor>>>;
  /** Frees what it holds. A second call does nothing. */
  dispose(): Promise<void>;
}

/** Makes programs of graphs. */
export interface GraphRunner {
  compile(graph: Graph): Promise<Program>;
}
