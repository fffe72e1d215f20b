/**
 * LoRA: fine-tunes matrices by low-rank additions, the matrices themselves as they are.
 *
 * Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, arXiv:2106.09685.
 *
 * y = x W + (x A) B with A [inputs, r] normal and B [r, outputs] zero at first, so that training starts at the model. Adapters are a tree of their own,
 * by the path of their linear layer: the loss is differentiated for them alone.
 *
 * Departures: no factor alpha / r; it is one with the learning rate of B.
 */
import { InvalidArgumentError, type Rng } from "@veridraft/core-probs";
import type { HostTensor } from "../runner.ts";
import type { Linear, Lora } from "./layers.ts";
import { normal, filled } from "./init.ts";

/** Adapters by the path of their layer, such as "layers.3.attention.query". */
export type Adapters<T> = Readonly<Record<string, Lora<T>>>;

type Node = Readonly<Record<string, unknown>>;

/**
 * New adapters for the linear layers of a model that `choose` takes.
 *
 * @param choose By default all layers but embeddings, which are no linear layers.
 * @throws InvalidArgumentError for a rank below 1, or where nothing is chosen.
 */
export function initLora(
  params: object,
  rank: number,
  rng: Rng,
  choose: (path: string) => boolean = () => true,
): Adapters<HostTensor> {
  if (!Number.isInteger(rank) || rank < 1) {
    throw new InvalidArgumentError(`initLora: rank must be an integer of at least 1, got ${rank}`);
  }
  const adapters: Record<string, Lora<HostTensor>> = {};
  changeLinears<HostTensor>(params, (layer, path) => {
    if (!choose(path)) return layer;
    const [inputs, outputs] = layer.weight.shape;
    adapters[path] = {
      a: normal([inputs, rank], inputs ** -0.5, rng),
      b: filled([rank, outputs], 0),
    };
    return layer;
  });
  if (Object.keys(adapters).length === 0) {
    throw new InvalidArgumentError("initLora: no linear layer of the model was chosen");
  }
  return adapters;
}

/** The model with its adapters in place, for a traced function. @throws InvalidArgumentError for an adapter without a layer. */
export function withLora<P extends object, T>(params: P, adapters: Adapters<T>): P {
  const left = new Set(Object.keys(adapters));
  const made = changeLinears<T>(params, (layer, path) => {
    left.delete(path);
    return path in adapters ? { ...layer, lora: adapters[path] } : layer;
  });
  for (const path of left) {
    throw new InvalidArgumentError(`withLora: the model has no linear layer ${path}`);
  }
  return made;
}

/** The model with its adapters added into the matrices, for serving. @throws InvalidArgumentError for an adapter without a layer. */
export function mergeLora<P extends object>(params: P, adapters: Adapters<HostTensor>): P {
  return changeLinears<HostTensor>(withLora(params, adapters), ({ lora, ...layer }) =>
    lora ? { ...layer, weight: sum(layer.weight, lora) } : layer,
  );
}

/** weight + a b */
function sum({ data, shape }: HostTensor, { a, b }: Lora<HostTensor>): HostTensor {
  const [inputs, outputs] = shape;
  const rank = a.shape[1];
  const merged = Float32Array.from(data);
  for (let i = 0; i < inputs; i++) {
    for (let r = 0; r < rank; r++) {
      const factor = a.data[i * rank + r];
      for (let j = 0; j < outputs; j++) merged[i * outputs + j] += factor * b.data[r * outputs + j];
    }
  }
  return { data: merged, shape };
}

/** A tree with its linear layers changed: nodes with a `weight` of two axes. */
function changeLinears<T>(
  tree: object,
  change: (layer: Linear<T>, path: string) => Linear<T>,
): never {
  const walk = (node: unknown, path: string): unknown => {
    if (typeof node !== "object" || node === null || "shape" in node) return node;
    if (isLinear<T>(node)) return change(node, path);
    const entries = Object.entries(node as Node).map(
      ([key, each]) => [key, walk(each, path ? `${path}.${key}` : key)] as const,
    );
    return Array.isArray(node) ? entries.map(([, each]) => each) : Object.fromEntries(entries);
  };
  return walk(tree, "") as never;
}

function isLinear<T>(node: object): node is Linear<T> {
  const { weight } = node as Partial<Record<"weight", { readonly shape?: readonly unknown[] }>>;
  return weight?.shape?.length === 2;
}
