/**
 * How many rows a run may have on a device. From 32 rows on, WebGPU's GroupQueryAttention takes another kernel, which in ONNX Runtime 1.30 is wrong on
 * some adapters (SwiftShader, whose subgroups are of 4): there prompts go in smaller pieces.
 */
import type { DeviceCache } from "./device-cache.ts";
import type { FullRunner } from "./full-runner.ts";

/** Fewest rows of the kernel for prompts. */
const kernelRows = 32;
/** Rounding is far below, a wrong kernel far above: share of the largest logit. */
const tolerance = 0.05;

/**
 * Compares a prompt in one piece and in two.
 *
 * @returns Most rows of a run whose logits are right.
 */
export async function mostPromptRows(
  runner: FullRunner,
  open: () => DeviceCache,
  contextLength: number,
): Promise<number> {
  if (contextLength < kernelRows) return kernelRows - 1;
  const ids = Int32Array.from({ length: kernelRows }, (_, i) => i + 1);
  const lastLogits = async (size: number): Promise<Float32Array> => {
    const cache = open();
    let logits: Float32Array = new Float32Array(0);
    for (let past = 0; past < ids.length; past += size) {
      const part = { cache, ids: ids.subarray(past, past + size), past, wanted: [size - 1] };
      [{ logits }] = await runner.run([{ ...part, parents: null, padded: true, taps: false }]);
    }
    cache.dispose();
    return logits;
  };
  const whole = await lastLogits(kernelRows);
  const pieces = await lastLogits(kernelRows / 2);
  let [largest, difference] = [0, 0];
  pieces.forEach((logit, i) => {
    largest = Math.max(largest, Math.abs(logit));
    difference = Math.max(difference, Math.abs(logit - whole[i]));
  });
  return difference <= tolerance * largest ? Infinity : kernelRows - 1;
}
