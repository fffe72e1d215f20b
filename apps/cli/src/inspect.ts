import { isOnnx } from "@veridraft/engine-onnx";
import { z } from "zod";
import { describeModel, type EngineVerdict, judgeModel } from "./describe-model.ts";
import { formatBytes } from "./format-bytes.ts";
import { describeOnnx, onnxRows } from "./inspect-onnx.ts";
import { modelPath } from "./model-folder.ts";
import { jsonOption } from "./options.ts";

export const inspectOptions = z.strictObject({ json: jsonOption });

/** `veridraft inspect`. */
export async function inspect(
  nameOrPath: string,
  flags: z.output<typeof inspectOptions>,
): Promise<void> {
  const path = modelPath(nameOrPath);
  if (isOnnx(path)) {
    const model = await describeOnnx(path);
    if (flags.json) process.stdout.write(`${JSON.stringify(model)}\n`);
    else print(onnxRows(model));
    return;
  }
  const { gguf, ...model } = await describeModel(path);
  const engine = judgeModel(gguf);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ ...model, engine })}\n`);
    return;
  }
  const { layers, hidden, heads, kvHeads, tokenizer, types } = model;
  const typeLines = Object.entries(types).map(
    ([type, { tensors, bytes }]) => `${type}: ${tensors} tensors, ${formatBytes(bytes)}`,
  );
  print([
    ["name", model.name],
    ["architecture", model.architecture],
    ["parameters", `${(model.parameters / 1e6).toFixed(1)} million`],
    ["layers", layers],
    ["hidden", hidden],
    ["heads", kvHeads === null ? heads : `${heads}, ${kvHeads} of keys and values`],
    ["context", model.context],
    ["vocabulary", model.vocabulary],
    ["tokenizer", `${tokenizer.model ?? "none"}, ${tokenizer.pre ?? "no"} pre-tokenizer`],
    ["chat template", model.chatTemplate ? "yes" : "no"],
    ["file", formatBytes(model.fileBytes)],
    ...typeLines.map((line, i): [string, string] => [i === 0 ? "types" : "", line]),
    ["engine", sentence(engine)],
  ]);
}

function print(rows: readonly (readonly [string, string | number | null])[]): void {
  for (const [label, value] of rows) {
    process.stdout.write(`${label.padEnd(15)}${value ?? "not said"}\n`);
  }
}

function sentence(engine: EngineVerdict): string {
  if (!engine.runs) return `cannot run it: ${engine.reason}`;
  const { int8, f32 } = engine.convertedBytes;
  return `runs as int8 or f32, converted size about ${formatBytes(int8)} or ${formatBytes(f32)}`;
}
