/** Reverse mode: gradients as graphs. */
import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";
import { add } from "./operations/elementwise.ts";
import { sameShape } from "./shapes.ts";
import { type GraphNode, isTensor, orderNodes, scalar, showShape, type Tensor } from "./tensor.ts";
import { mapTree, type Tree, treeLeaves } from "./tree.ts";

/**
 * The vector-Jacobian product: gradients of sum(cotangents * outputs) with respect to `inputs`, as tensors that can be differentiated again.
 *
 * @param cotangents By output, in its shape; null for zeros.
 * @returns By input, in its shape; null where no output depends on it.
 * @throws ShapeError for a cotangent of another shape than its output.
 */
export function vjp(
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | null)[],
  inputs: readonly Tensor[],
): (Tensor | null)[] {
  const wanted = new Set(inputs);
  const order = orderNodes(outputs, (node) => !node.outputs.some((tensor) => wanted.has(tensor)));
  const relevant = new Set<GraphNode>();
  for (const node of order) {
    const found =
      node.outputs.some((tensor) => wanted.has(tensor)) ||
      node.inputs.some((tensor) => tensor.dtype === "float32" && relevant.has(tensor.node));
    if (found) relevant.add(node);
  }
  const gradients = new Map<Tensor, Tensor>();
  const accumulate = (tensor: Tensor, gradient: Tensor | null): void => {
    if (!gradient) return;
    const sum = gradients.get(tensor);
    gradients.set(tensor, sum ? add(sum, gradient) : gradient);
  };
  for (const [i, tensor] of outputs.entries()) {
    const cotangent = cotangents[i];
    if (cotangent && !sameShape(cotangent.shape, tensor.shape)) {
      throw new ShapeError(
        `vjp: cotangent ${i} must have the shape of its output ${showShape(tensor.shape)}, got ${showShape(cotangent.shape)}`,
      );
    }
    accumulate(tensor, cotangent);
  }
  for (const node of order.toReversed()) {
    if (!relevant.has(node) || node.outputs.some((tensor) => wanted.has(tensor))) continue;
    const own = node.outputs.map((tensor) => gradients.get(tensor) ?? null);
    if (own.every((gradient) => gradient === null)) continue;
    node.operation.vjp(node, own).forEach((gradient, i) => {
      const tensor = node.inputs[i];
      if (relevant.has(tensor.node)) accumulate(tensor, gradient);
    });
  }
  return inputs.map((tensor) => gradients.get(tensor) ?? null);
}

/** What a loss function returns: a scalar, or a scalar and a tree of other results. */
export type Loss = Tensor | readonly [Tensor, unknown];

/**
 * A function that returns what `f` does and the gradients of its loss with respect to its first argument, in the form of that.
 *
 * @param f Takes a tree of float32 parameters and whatever else, and returns a scalar, or `[scalar, other results]`.
 * @throws InvalidArgumentError for a parameter of integers, or one that the loss does not depend on; ShapeError for a loss that is no scalar.
 */
export function valueAndGrad<P, A extends readonly unknown[], R extends Loss>(
  f: (parameters: P, ...rest: A) => R,
): (parameters: P, ...rest: A) => [value: R, gradients: P] {
  return (parameters, ...rest) => {
    const leaves = treeLeaves(parameters as Tree<Tensor>);
    for (const { path, leaf } of leaves) {
      if (leaf.dtype === "float32") continue;
      throw new InvalidArgumentError(
        `grad: parameter ${path || "(the only one)"} is ${leaf.dtype}, and only float32 has gradients; pass it as a further argument`,
      );
    }
    const value = f(parameters, ...rest);
    const loss = (isTensor(value) ? value : value[0]) as Tensor;
    if (loss.dtype !== "float32" || loss.shape.length > 0) {
      throw new ShapeError(
        `grad: the loss must be a float32 scalar, got ${loss.dtype} ${showShape(loss.shape)}; take its mean or sum`,
      );
    }
    const found = vjp(
      [loss],
      [scalar(1)],
      leaves.map(({ leaf }) => leaf),
    );
    const gradients = new Map(leaves.map(({ path }, i) => [path, found[i]]));
    const tree = mapTree((_: Tensor, path) => {
      const gradient = gradients.get(path);
      if (gradient) return gradient;
      throw new InvalidArgumentError(
        `grad: the loss does not depend on parameter ${path || "(the only one)"}, or only through operations without gradient; pass it as a further argument`,
      );
    }, parameters as Tree<Tensor>);
    return [value, tree as P];
  };
}

/** As {@link valueAndGrad}, without the value. @throws As that. */
export function grad<P, A extends readonly unknown[]>(
  f: (parameters: P, ...rest: A) => Loss,
): (parameters: P, ...rest: A) => P {
  return (parameters, ...rest) => valueAndGrad(f)(parameters, ...rest)[1];
}
