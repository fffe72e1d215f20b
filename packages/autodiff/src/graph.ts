/** From a function on tensors to a graph. */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { buildGraph, type NamedTensors } from "./lowering.ts";
import type { Graph } from "./runner.ts";
import { input, isTensor, type Tensor, type TensorType } from "./tensor.ts";
import { type Leaf, mapTree, type Tree, treeLeaves } from "./tree.ts";

/** A graph and the tree of its results, with the names of outputs as leaves. */
export interface TracedGraph extends Graph {
  readonly results: Tree<{ readonly name: string; readonly shape: Tensor["shape"] }>;
}

/**
 * Calls `f` with tensors of the given types and gives the graph of what it returns. Inputs are named by argument and place in its tree, as
 * "arg0.layers.1.weight", outputs as "result" or "result.1.loss".
 *
 * @param types One tree for each argument of `f`; its leaves say dtype and shape.
 * @throws InvalidArgumentError where `f` returns anything but a tree of tensors, and what `f` throws.
 * @example trace((x: Tensor) => mul(x, 2), [{ dtype: "float32", shape: ["batch", 3] }]).outputs // [{ name: "result", dtype: "float32", shape: ["batch", 3] }]
 */
export function trace<A extends readonly unknown[]>(
  f: (...args: A) => unknown,
  types: readonly Tree<TensorType>[],
): TracedGraph {
  const args = mapTree(({ dtype, shape }: TensorType) => input(dtype, shape), types);
  const made = f(...(args as unknown as A)) as Tree<Tensor>;
  const results = treeLeaves(made);
  for (const { path, leaf } of results) {
    if (isTensor(leaf)) continue;
    throw new InvalidArgumentError(
      `trace: the result${path && ` ${path}`} is no tensor; a traced function returns a tree of tensors`,
    );
  }
  const graph = buildGraph(
    nameLeaves(treeLeaves<Tensor>(args as Tree<Tensor>), inputName),
    nameLeaves(results, resultName),
  );
  return {
    ...graph,
    results: mapTree(({ shape }: Tensor, path) => ({ name: resultName(path), shape }), made),
  };
}

/** The input for the leaf at a path in the tree of arguments. */
export function inputName(path: string): string {
  return `arg${path}`;
}

function resultName(path: string): string {
  return path ? `result.${path}` : "result";
}

function nameLeaves(leaves: readonly Leaf<Tensor>[], name: (path: string) => string): NamedTensors {
  return Object.fromEntries(leaves.map(({ path, leaf }) => [name(path), leaf]));
}
