/** What an ONNX model is and what the engine does with it, from its config and the header of its graph. */
import { basename } from "node:path";
import { isProbsError } from "@veridraft/core-probs";
import { type Network, readModelSource } from "@veridraft/engine-onnx";

/** A model for people. */
export type OnnxDescription =
  | {
      readonly name: string;
      readonly graph: string;
      readonly layers: number;
      readonly kvHeads: number;
      readonly headDim: number;
      readonly context: number;
      readonly vocabulary: number;
      readonly keysAndValues: "float32" | "float16";
      readonly chatTemplate: boolean;
      readonly engine: {
        readonly runs: true;
        readonly branches: boolean;
        readonly keepsRowsOnWebGpu: boolean;
      };
    }
  | {
      readonly name: string;
      readonly engine: { readonly runs: false; readonly reason: string };
    };

/** Reads the description. */
export async function describeOnnx(path: string): Promise<OnnxDescription> {
  try {
    const { name, network, chatTemplate } = await readModelSource(path);
    const { graph, contextLength } = network as Extract<Network, { graph: unknown }>;
    const own = graph.layout === "delta";
    return {
      name,
      graph: own ? graph.solo : graph.path,
      layers: graph.layers,
      kvHeads: graph.kvHeads,
      headDim: graph.headDim,
      context: contextLength,
      vocabulary: graph.vocabSize,
      keysAndValues: own ? "float32" : graph.kvType,
      chatTemplate: chatTemplate !== undefined,
      engine: { runs: true, branches: own, keepsRowsOnWebGpu: !own && graph.ignoresSpareRows },
    };
  } catch (error) {
    if (!isProbsError(error)) throw error;
    return { name: basename(path), engine: { runs: false, reason: error.message } };
  }
}

/** The description as labels and texts. */
export function onnxRows(model: OnnxDescription): [string, string | number | null][] {
  const name: [string, string] = ["name", model.name];
  if (!("graph" in model)) return [name, ["engine", `cannot run it: ${model.engine.reason}`]];
  const place = model.engine.keepsRowsOnWebGpu
    ? "on webgpu they stay on the device"
    : "they go through the memory of the CPU on every device";
  return [
    name,
    ["graph", model.graph],
    ["layers", model.layers],
    ["heads", `${model.kvHeads} of keys and values, of ${model.headDim}`],
    ["context", model.context],
    ["vocabulary", model.vocabulary],
    ["chat template", model.chatTemplate ? "yes" : "no"],
    [
      "engine",
      `runs it as it is, one sequence after another, drafts ${model.engine.branches ? "with" : "without"} branches; keys and values are ${model.keysAndValues}, ${place}`,
    ],
  ];
}
