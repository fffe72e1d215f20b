/** The ONNX folders of fixtures/, made whole: see fixtures/make-onnx.py. */
import { readFileSync } from "node:fs";
import { copyFile, cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { logSoftmax, type Matrix, row } from "@veridraft/core-probs";

const fixtures = fileURLToPath(new URL("fixtures/", import.meta.url));

/** Path of the GGUF file that the graphs have their weights from. */
export const llamaGguf = join(fixtures, "gguf", "llama.gguf");

interface Recorded {
  readonly ids: readonly number[];
  readonly logProbs: readonly number[];
}

const recorded = JSON.parse(readFileSync(join(fixtures, "gguf", "logits.json"), "utf8")) as {
  readonly ids: readonly number[];
  readonly files: { readonly llama: { readonly f32: readonly Recorded[] } };
};

/** The text that llama.cpp was given. */
export const { ids } = recorded;

/** Copies the folders, and the weights beside each graph. */
export async function copyFolders(to: string): Promise<void> {
  await cp(join(fixtures, "onnx"), to, { recursive: true });
  for (const folder of ["optimum", "transformers-js/onnx", "genai"]) {
    await copyFile(llamaGguf, join(to, folder, "llama.gguf"));
  }
}

/** The largest difference from a log-probability of llama.cpp, of all positions. */
export function distanceToLlamaCpp(logits: Matrix): number {
  let largest = 0;
  recorded.files.llama.f32.forEach((theirs, position) => {
    const ours = logSoftmax(row(logits, position));
    theirs.ids.forEach((id, i) => {
      largest = Math.max(largest, Math.abs(theirs.logProbs[i] - ours[id]));
    });
  });
  return largest;
}
