/**
 * What the engine needs to know of an ONNX graph that takes all keys and values and gives all back ("full" layout, as Optimum, Transformers.js and
 * onnxruntime-genai export it), found in the graph's own inputs and outputs.
 *
 * Inputs: token ids [1, S]; of these what the graph has: a mask [1, P + S] of ones, positions [1, S], how many logit rows to keep, whether there is
 * a past; for each layer keys and values [1, kvHeads, P, headDim]. Outputs: logits [1, S or the kept, vocab], keys and values [1, kvHeads, P + S, headDim].
 */
import { UnsupportedError } from "@veridraft/core-probs";
import type { OnnxHeader, OnnxValue } from "./onnx-header.ts";

/** Element types of keys, values and logits. */
export type FloatType = "float32" | "float16";

/** Names of a graph's inputs and outputs; `%d` stands for a layer. */
export interface GraphNames {
  readonly ids: string;
  readonly mask: string;
  readonly positions: string;
  readonly keep: string;
  readonly hasPast: string;
  readonly pastKey: string;
  readonly pastValue: string;
  readonly logits: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

/** Those of Optimum and Transformers.js. */
export const huggingFaceNames: GraphNames = {
  ids: "input_ids",
  mask: "attention_mask",
  positions: "position_ids",
  keep: "num_logits_to_keep",
  hasPast: "use_cache_branch",
  pastKey: "past_key_values.%d.key",
  pastValue: "past_key_values.%d.value",
  logits: "logits",
  presentKey: "present.%d.key",
  presentValue: "present.%d.value",
};

/** A graph of the full layout. */
export interface FullGraph {
  readonly layout: "full";
  readonly path: string;
  readonly names: GraphNames;
  /** Which of the optional inputs it has. */
  readonly has: Readonly<Record<"mask" | "positions" | "keep" | "hasPast", boolean>>;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly kvType: FloatType;
  /** Attention reads only the rows that the mask counts, so that there may be more: GroupQueryAttention. */
  readonly ignoresSpareRows: boolean;
}

const optional = ["mask", "positions", "keep", "hasPast"] as const;

/**
 * Finds the layout.
 *
 * @param vocabSize Where the graph does not say.
 * @throws UnsupportedError naming the input or output that the engine cannot serve.
 */
export function fullGraph(header: OnnxHeader, names: GraphNames, vocabSize?: number): FullGraph {
  const { path, inputs, outputs, operators } = header;
  const past = new Map<string, OnnxValue>();
  for (const value of inputs) {
    if (isLayer(names.pastKey, value) || isLayer(names.pastValue, value)) {
      past.set(value.name, value);
    } else if (value.name !== names.ids && !optional.some((kind) => names[kind] === value.name)) {
      throw new UnsupportedError(
        `fullGraph: input "${value.name}" of ${path} is not supported; supported are ${supported(names)}`,
      );
    }
  }
  const inputOf = (name: string): OnnxValue | undefined =>
    inputs.find((each) => each.name === name);
  if (!inputOf(names.ids)) missing(`input "${names.ids}"`, header, names);
  for (const name of [names.ids, names.mask, names.positions, names.keep]) {
    const type = inputOf(name)?.type ?? "int64";
    if (type !== "int64") {
      throw new UnsupportedError(`fullGraph: input "${name}" of ${path} is ${type}, not int64`);
    }
  }
  const layers = past.size / 2;
  const first = past.get(layerName(names.pastKey, 0));
  if (!first) return missing(`input "${layerName(names.pastKey, 0)}"`, header, names);
  const [, kvHeads, , headDim] = first.dims;
  for (let layer = 0; layer < layers; layer++) {
    for (const [pastName, presentName] of [
      [names.pastKey, names.presentKey],
      [names.pastValue, names.presentValue],
    ]) {
      checkPast(past.get(layerName(pastName, layer)), layerName(pastName, layer), first, path);
      const present = layerName(presentName, layer);
      if (!outputs.some(({ name }) => name === present)) {
        missing(`output "${present}"`, header, names);
      }
    }
  }
  const logits = outputs.find(({ name }) => name === names.logits);
  if (!logits) return missing(`output "${names.logits}"`, header, names);
  if (!isFloat(logits.type)) {
    throw new UnsupportedError(`fullGraph: the logits of ${path} are ${logits.type}, not float`);
  }
  const vocab = logits.dims.at(-1);
  const size = typeof vocab === "number" ? vocab : vocabSize;
  if (size === undefined) {
    throw new UnsupportedError(`fullGraph: neither ${path} nor its config says a vocabulary size`);
  }
  const has = Object.fromEntries(
    optional.map((kind) => [kind, inputOf(names[kind]) !== undefined]),
  ) as FullGraph["has"];
  return {
    layout: "full",
    path,
    names,
    has,
    layers,
    kvHeads: kvHeads as number,
    headDim: headDim as number,
    vocabSize: size,
    kvType: first.type as FloatType,
    ignoresSpareRows: has.mask && operators.has("GroupQueryAttention"),
  };
}

/** The name of a layer's input or output. */
export function layerName(pattern: string, layer: number): string {
  return pattern.replace("%d", String(layer));
}

function isLayer(pattern: string, { name }: OnnxValue): boolean {
  const [before, after] = pattern.split("%d");
  const middle = name.slice(before.length, name.length - after.length);
  return /^\d+$/.test(middle) && name === layerName(pattern, Number(middle));
}

function isFloat(type: string): type is FloatType {
  return type === "float32" || type === "float16";
}

/** Every layer has rows of one size and type, and any number of them. */
function checkPast(
  value: OnnxValue | undefined,
  name: string,
  first: OnnxValue,
  path: string,
): void {
  const [, heads, rows, dim] = value?.dims ?? [];
  const fits =
    value?.dims.length === 4 &&
    typeof heads === "number" &&
    typeof rows === "string" &&
    typeof dim === "number" &&
    isFloat(value.type) &&
    value.type === first.type &&
    heads === first.dims[1] &&
    dim === first.dims[3];
  if (fits) return;
  const found = value ? `is ${value.type} [${value.dims.join(", ")}]` : "is missing";
  throw new UnsupportedError(
    `fullGraph: input "${name}" of ${path} ${found}; supported is float32 or float16 [batch, heads, rows, size], the numbers of heads and their size as in every layer, the rows free`,
  );
}

function missing(what: string, { path, inputs }: OnnxHeader, names: GraphNames): never {
  const found = inputs.map(({ name }) => name).slice(0, 4);
  throw new UnsupportedError(
    `fullGraph: ${path} has no ${what}; its inputs begin with ${found.join(", ")}, supported are ${supported(names)} and every layer's ${names.presentKey} and ${names.presentValue} as outputs`,
  );
}

function supported(names: GraphNames): string {
  const all = [names.ids, ...optional.map((kind) => names[kind]), names.pastKey, names.pastValue];
  return all.join(", ");
}
