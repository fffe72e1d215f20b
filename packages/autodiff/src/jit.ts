/** Runs functions on tensors as functions on host arrays: traced and compiled once for each combination of shapes. */
import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";
import { inputName, trace, type TracedGraph } from "./graph.ts";
import type { GraphRunner, HostTensor, Program } from "./runner.ts";
import { dtypeOf, showShape, sizeOf, type Tensor, type TensorType } from "./tensor.ts";
import { type Leaf, type Mapped, mapTree, type Tree, treeLeaves } from "./tree.ts";

/** A host array as an argument: a number is a float32 scalar. */
export type HostArgument = HostTensor | number;

/** A compiled function. */
export interface Jitted<A extends readonly unknown[], R> {
  /**
   * @throws ShapeError where an array has not the elements of its shape, or where the shapes do not fit the function.
   */
  (
    ...args: { [K in keyof A]: Mapped<A[K], Tensor, HostArgument> }
  ): Promise<Mapped<R, Tensor, HostTensor>>;
  /** Frees the compiled programs when their last run has ended. Later calls compile anew. */
  dispose(): Promise<void>;
}

/** Programs of a function that are kept; the least recently used makes room. */
const maxPrograms = 16;

interface Entry {
  readonly graph: TracedGraph;
  readonly program: Promise<Program>;
  /** The runs that are under way. */
  runs: Promise<unknown>;
}

/**
 * A function on host arrays that computes what `f` does on tensors. Arguments are trees of {@link HostTensor}; a graph is compiled when a combination of
 * forms and shapes is first seen, and at most 16 of them are kept.
 *
 * @example
 * const double = jit(runner, (x: Tensor) => mul(x, 2));
 * await double({ data: Float32Array.of(1, 2), shape: [2] }); // { data: Float32Array [2, 4], shape: [2] }
 */
export function jit<A extends readonly unknown[], R>(
  runner: GraphRunner,
  f: (...args: A) => R,
): Jitted<A, R> {
  const entries = new Map<string, Entry>();

  const discard = async (key: string): Promise<void> => {
    const entry = entries.get(key) as Entry;
    entries.delete(key);
    await entry.runs;
    const program = await entry.program.catch(() => null);
    await program?.dispose();
  };

  const lookUp = (types: readonly Tree<TensorType>[], key: string): Entry => {
    let entry = entries.get(key);
    if (entry) entries.delete(key);
    else {
      const graph = trace(f, types);
      entry = { graph, program: runner.compile(graph), runs: Promise.resolve() };
      entry.program.catch(() => entries.delete(key));
    }
    entries.set(key, entry);
    return entry;
  };

  const call = async (...args: readonly Tree<HostArgument>[]): Promise<unknown> => {
    const hosts = mapTree(asHostTensor, args) as readonly Tree<HostTensor>[];
    const leaves = treeLeaves<HostTensor>(hosts);
    const key = leaves.map(describe).join("; ");
    const types = mapTree(
      ({ data, shape }: HostTensor): TensorType => ({ dtype: dtypeOf(data), shape }),
      hosts,
    );
    const entry = lookUp(types as readonly Tree<TensorType>[], key);
    const run = entry.program.then((program) =>
      program.run(Object.fromEntries(leaves.map(({ path, leaf }) => [inputName(path), leaf]))),
    );
    // Without the results, which would live as long as the program.
    entry.runs = Promise.allSettled([entry.runs, run]).then(() => undefined);
    if (entries.size > maxPrograms) void discard(entries.keys().next().value as string);
    const outputs = await run;
    return mapTree(
      ({ name }: { readonly name: string; readonly shape: Tensor["shape"] }) => outputs[name],
      entry.graph.results,
    );
  };

  const dispose = async (): Promise<void> => {
    await Promise.all([...entries.keys()].map(discard));
  };
  return Object.assign(call, { dispose }) as unknown as Jitted<A, R>;
}

function describe({ path, leaf }: Leaf<HostTensor>): string {
  return `${path} ${dtypeOf(leaf.data)} ${leaf.shape.join()}`;
}

function asHostTensor(value: HostArgument, path: string): HostTensor {
  if (typeof value === "number") return { data: Float32Array.of(value), shape: [] };
  if (!("data" in value) || !["float32", "int32", "bool"].includes(dtypeOf(value.data))) {
    throw new InvalidArgumentError(
      `jit: argument ${path} has no data in a Float32Array, Int32Array or Uint8Array; pass { data, shape }`,
    );
  }
  if (value.data.length !== sizeOf(value.shape)) {
    throw new ShapeError(
      `jit: argument ${path} has shape ${showShape(value.shape)} of ${sizeOf(value.shape)} elements, but data of ${value.data.length}`,
    );
  }
  return value;
}
