/** Values that are computed again in the backward pass rather than kept for it. */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { vjp } from "./reverse.ts";
import {
  apply,
  applyAll,
  noGradients,
  type Operation,
  orderNodes,
  showShape,
  type Tensor,
} from "./tensor.ts";
import { mapTree, type Tree, treeLeaves } from "./tree.ts";

/** An int64 zero that is known when all inputs are. */
const signalOperation: Operation<null> = {
  name: "signal",
  infer: () => [{ dtype: "int64", shape: [1] }],
  vjp: noGradients,
  lower(lowering, names) {
    const zeros = names.map((name) => {
      const row = lowering.node("Reshape", [name, lowering.integers(-1)]);
      const first = lowering.node("Slice", [row, lowering.integers(0), lowering.integers(1)]);
      const never = lowering.node("Greater", [first, lowering.float(Infinity)]);
      return lowering.node("Cast", [never], { to: 7 });
    });
    return [zeros.reduce((sum, zero) => lowering.node("Add", [sum, zero]))];
  },
};

/**
 * x, but not before the signal. To the runtime it is a reshape whose shape depends on the signal: it copies nothing, and nodes that read it are not
 * those that read x, so that they are not merged with them and do not run earlier.
 */
const afterOperation: Operation<null> = {
  name: "after",
  infer: ([x]) => [x],
  vjp: (_, [dy]) => [dy, null],
  lower(lowering, [x, zero], { inputs: [{ dtype, shape }] }) {
    if (shape.length === 0) return [x];
    const late = lowering.node("Add", [lowering.shape(shape), zero]);
    return [lowering.typed(lowering.node("Reshape", [x, late]), dtype, shape)];
  },
};

interface Recomputation {
  readonly results: number;
  compute(args: readonly Tensor[]): readonly Tensor[];
}

/** Inputs are the arguments and then the results; outputs are the results. */
const checkpointOperation: Operation<Recomputation> = {
  name: "checkpoint",
  infer: (inputs, { results }) => inputs.slice(-results),
  vjp({ inputs, attributes: { results, compute } }, gradients) {
    const signal = apply(
      signalOperation,
      gradients.filter((gradient) => gradient !== null),
      null,
    );
    const args = inputs
      .slice(0, -results)
      .map((tensor) => apply(afterOperation, [tensor, signal], null));
    return [...vjp(compute(args), gradients, args), ...Array<null>(results).fill(null)];
  },
  lower: (_, inputs, { attributes: { results } }) => inputs.slice(-results),
};

/**
 * A function with the same results and gradients, of which nothing but arguments and results is kept for the backward pass: that computes the rest
 * again. Costs one more forward pass of `f`.
 *
 * @param f Takes trees of tensors and gives one; all tensors that it depends on must be among its arguments.
 * @throws InvalidArgumentError where it depends on another one.
 */
export function checkpoint<A extends readonly unknown[], R>(
  f: (...args: A) => R,
): (...args: A) => R {
  return (...args) => {
    const compute = (tensors: readonly Tensor[]): R => {
      let i = 0;
      return f(...(mapTree(() => tensors[i++], args) as unknown as A));
    };
    const given = leavesOf(args);
    const made = compute(given);
    const results = leavesOf(made);
    checkArguments(given, results);
    const outputs = applyAll(checkpointOperation, [...given, ...results], {
      results: results.length,
      compute: (tensors) => leavesOf(compute(tensors)),
    });
    let i = 0;
    return mapTree(() => outputs[i++], made) as unknown as R;
  };
}

function leavesOf(tree: unknown): Tensor[] {
  return treeLeaves(tree as Tree<Tensor>).map(({ leaf }) => leaf);
}

function checkArguments(given: readonly Tensor[], results: readonly Tensor[]): void {
  const nodes = new Set(given.map(({ node }) => node));
  for (const node of orderNodes(results, (each) => !nodes.has(each))) {
    if (nodes.has(node) || node.operation.name !== "input") continue;
    throw new InvalidArgumentError(
      `checkpoint: the function depends on a tensor ${showShape(node.outputs[0].shape)} that is not among its arguments; pass it as one`,
    );
  }
}
