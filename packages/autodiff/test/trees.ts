import type { HostTensor, Tree } from "@veridraft/autodiff";

/** A tree as JSON holds it. */
export type FloatTree = Tree<{
  readonly shape: readonly number[];
  readonly data: readonly number[];
}>;

/** The tree with its arrays as float32. */
export function floats(tree: FloatTree): Tree<HostTensor> {
  const node = tree as { readonly shape?: readonly number[]; readonly data?: readonly number[] };
  if (node.shape && node.data) return { shape: node.shape, data: Float32Array.from(node.data) };
  if (Array.isArray(tree)) return tree.map(floats);
  return Object.fromEntries(
    Object.entries(tree as Readonly<Record<string, FloatTree>>).map(([key, entry]) => [
      key,
      floats(entry),
    ]),
  );
}

/** One float32 vector. */
export function vector(...data: number[]): HostTensor {
  return { data: Float32Array.from(data), shape: [data.length] };
}
