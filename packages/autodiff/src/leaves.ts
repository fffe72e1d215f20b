/** Trees of host arrays by path, "layers.0.query": the name of a parameter in errors, in masks and in files. */
import { InvalidArgumentError, ShapeError } from "@veridraft/core-probs";
import type { HostTensor } from "./runner.ts";
import { mapTree, type Tree, treeLeaves } from "./tree.ts";

/** Parameters on the host, and whatever has their form: gradients, updates, moments. */
export type Params = Tree<HostTensor>;

/** A float32 array and its place. */
export interface FloatLeaf {
  readonly path: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Chooses parameters. */
export type Mask = (path: string, tensor: HostTensor) => boolean;

/** The mask of what has two axes or more: weights, but not biases and the scales of norms. */
export function isMatrix(_path: string, { shape }: HostTensor): boolean {
  return shape.length >= 2;
}

/**
 * The leaves of a tree by path, in its order. Paths join with ".", so a record with the keys "a.b" is the same as nested ones.
 *
 * @throws InvalidArgumentError where two leaves have one path.
 */
export function leavesOf<T extends HostTensor | number>(tree: Tree<T>): Map<string, T> {
  const leaves = new Map<string, T>();
  for (const { path, leaf } of treeLeaves(tree)) {
    if (leaves.has(path)) {
      throw new InvalidArgumentError(
        `leavesOf: two entries of the tree have the path ${path}; rename one`,
      );
    }
    leaves.set(path, leaf);
  }
  return leaves;
}

/** A tree like `params`, all zeros. */
export function zerosLike(params: Params): Params {
  return mapTree(
    ({ shape, data }: HostTensor): HostTensor => ({ shape, data: new Float32Array(data.length) }),
    params,
  );
}

/** A tree with copies of the arrays of `params`. */
export function copyOf<P extends Params>(params: P): P {
  return mapTree(
    ({ shape, data }: HostTensor): HostTensor => ({ shape, data: data.slice() }),
    params,
  ) as P;
}

/**
 * Leaves of several trees side by side.
 *
 * @param owner Who asks, for errors. @param trees By name; the first one says which paths and shapes there are.
 * @throws ShapeError where another tree lacks a path, has one more, or has another shape; InvalidArgumentError where a leaf is no float32.
 */
export function alignLeaves<K extends string>(
  owner: string,
  trees: Readonly<Record<K, Params>>,
): Record<K, FloatLeaf>[] {
  const names = Object.keys(trees) as K[];
  const leaves = names.map((name) => leavesOf(trees[name]));
  const [first] = leaves;
  return Array.from(first, ([path, { shape }]) => {
    const row = {} as Record<K, FloatLeaf>;
    for (const [i, name] of names.entries()) {
      const tensor = leaves[i].get(path);
      if (tensor === undefined || leaves[i].size !== first.size) {
        throw new ShapeError(
          `${owner}: ${names[0]} and ${name} differ: ${extra(first, leaves[i])}; give trees of one form`,
        );
      }
      if (String(tensor.shape) !== String(shape)) {
        throw new ShapeError(
          `${owner}: ${path} has shape [${shape.join(", ")}] in ${names[0]} and [${tensor.shape.join(", ")}] in ${name}; give trees of one form`,
        );
      }
      if (!(tensor.data instanceof Float32Array)) {
        throw new InvalidArgumentError(
          `${owner}: ${path} in ${name} must be a Float32Array, got ${tensor.data.constructor.name}`,
        );
      }
      row[name] = { path, shape, data: tensor.data };
    }
    return row;
  });
}

function extra(some: ReadonlyMap<string, unknown>, others: ReadonlyMap<string, unknown>): string {
  for (const path of some.keys()) if (!others.has(path)) return `only the former has ${path}`;
  const added = [...others.keys()].find((path) => !some.has(path));
  return `only the latter has ${added}`;
}
