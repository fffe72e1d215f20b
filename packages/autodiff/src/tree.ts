/**
 * Trees of values: a leaf, or objects and arrays of trees. Functions on parameters take and give trees, so that a model keeps its names.
 *
 * A leaf is a number, a typed array, or anything with a `shape`: tensors, their types, host tensors. `undefined` is a tree without leaves.
 */
import { InvalidArgumentError } from "@veridraft/core-probs";

/** Objects and arrays with leaves T. */
export type Tree<T> = T | undefined | readonly Tree<T>[] | { readonly [key: string]: Tree<T> };

/** The tree X with leaves To in place of leaves From. */
export type Mapped<X, From, To> = [Tree<From>] extends [X]
  ? Tree<To>
  : X extends From
    ? To
    : X extends undefined | null
      ? X
      : { [K in keyof X]: Mapped<X[K], From, To> };

/** A leaf and its place, as "layers.0.weight". */
export interface Leaf<T> {
  readonly path: string;
  readonly leaf: T;
}

/** All leaves in the order of keys. @throws InvalidArgumentError for a value that is neither leaf nor tree. */
export function treeLeaves<T>(tree: Tree<T>): Leaf<T>[] {
  const leaves: Leaf<T>[] = [];
  mapTree((leaf: T, path) => leaves.push({ path, leaf }), tree);
  return leaves;
}

/**
 * A tree of the same form with new leaves.
 *
 * @param change Gets a leaf, its place, and what stands there in the other trees.
 * @throws InvalidArgumentError where another tree has another form, or for a value that is neither leaf nor tree.
 */
export function mapTree<T, U, X>(
  change: (leaf: T, path: string, ...others: T[]) => U,
  tree: X,
  ...others: readonly unknown[]
): Mapped<X, T, U> {
  return walk(change as (leaf: unknown, path: string, ...others: unknown[]) => U, tree, others, "");
}

function walk<X, U>(
  change: (leaf: unknown, path: string, ...others: unknown[]) => U,
  tree: unknown,
  others: readonly unknown[],
  path: string,
): X {
  if (tree === undefined || tree === null) return tree as X;
  if (isLeaf(tree)) return change(tree, path, ...others) as unknown as X;
  if (typeof tree !== "object") {
    throw new InvalidArgumentError(
      `mapTree: ${path || "the tree"} is a ${typeof tree}; a tree has tensors as leaves, in objects and arrays`,
    );
  }
  const keys = Object.keys(tree);
  for (const other of others) {
    if (typeof other !== "object" || other === null || Object.keys(other).length !== keys.length) {
      throw new InvalidArgumentError(`mapTree: the trees differ in form at ${path || "the root"}`);
    }
  }
  const child = (key: string): unknown =>
    walk(
      change,
      (tree as Record<string, unknown>)[key],
      others.map((other) => (other as Record<string, unknown>)[key]),
      path ? `${path}.${key}` : key,
    );
  return (
    Array.isArray(tree) ? keys.map(child) : Object.fromEntries(keys.map((key) => [key, child(key)]))
  ) as X;
}

function isLeaf(value: unknown): boolean {
  if (typeof value === "number" || ArrayBuffer.isView(value)) return true;
  return (
    typeof value === "object" && value !== null && "shape" in value && Array.isArray(value.shape)
  );
}
