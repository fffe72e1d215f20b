/**
 * Language models over ids, be they bytes, characters or pieces: the loss, a training of the usual recipe, and the bits that a text takes under a model.
 *
 * A window is a row of ids of which all but the first are predicted, so a context of n takes windows of n + 1.
 */
import { InvalidArgumentError, type RngKey } from "@veridraft/core-probs";
import { randomWindows } from "../batches.ts";
import { jit } from "../jit.ts";
import { crossEntropy } from "../operations/cross-entropy.ts";
import { slice } from "../operations/slices.ts";
import { adamW } from "../optimizers/adamw.ts";
import { chain } from "../optimizers/optimizer.ts";
import type { Schedule } from "../optimizers/schedules.ts";
import { clipByGlobalNorm } from "../optimizers/transforms.ts";
import { valueAndGrad } from "../reverse.ts";
import type { GraphRunner, HostTensor } from "../runner.ts";
import type { Tensor } from "../tensor.ts";
import { train, type Trained, type TrainOptions } from "../train.ts";
import { logitsOf, type Transformer, transformer, type TransformerConfig } from "./transformer.ts";

/** Windows int32 [batch, length], and float32 of their shape the weight of each id as a target; that of the first ids does not matter. */
export type WindowBatch = [windows: HostTensor, mask: HostTensor];

/** What a training takes: of `train`, and the learning rate. */
export interface LanguageModelTraining extends Pick<
  TrainOptions<Transformer<HostTensor>, WindowBatch>,
  "params" | "batches" | "steps" | "checkpoint" | "signal" | "onProgress" | "enough"
> {
  readonly learningRate: number | Schedule;
  /** Of matrices. Default 0. */
  readonly weightDecay?: number;
}

/** The logits of rows of ids, [batch, length, vocabSize], as a function to compile. */
export function languageModelLogits(
  config: TransformerConfig,
): (params: Transformer<Tensor>, rows: Tensor) => Tensor {
  return (params, rows) => logitsOf(params, transformer(params, rows, config));
}

/** The mean of -ln p over the targets of windows, weighted by the mask, as a function to differentiate. */
export function languageModelLoss(
  config: TransformerConfig,
): (params: Transformer<Tensor>, windows: Tensor, mask: Tensor) => Tensor {
  const logits = languageModelLogits(config);
  return (params, windows, mask) =>
    crossEntropy(logits(params, slice(windows, 1, 0, -1)), slice(windows, 1, 1), {
      mask: slice(mask, 1, 1),
    });
}

/**
 * Trains with AdamW (0.9, 0.99) and gradients clipped to a norm of 1.
 *
 * @throws What `train` throws.
 */
export async function trainLanguageModel(
  runner: GraphRunner,
  config: TransformerConfig,
  { learningRate, weightDecay = 0, ...rest }: LanguageModelTraining,
): Promise<Trained<Transformer<HostTensor>>> {
  const step = jit(runner, valueAndGrad(languageModelLoss(config)));
  const optimizer = chain(clipByGlobalNorm(1), adamW({ learningRate, beta2: 0.99, weightDecay }));
  try {
    return await train({ step, optimizer, ...rest });
  } finally {
    await step.dispose();
  }
}

/**
 * Random windows of a text, all of whose ids count.
 *
 * @param size Windows of a batch. @param length Ids of a window. @throws As {@link randomWindows}.
 */
export function textBatches(
  ids: ArrayLike<number>,
  size: number,
  length: number,
  key: RngKey,
): (step: number) => Generator<WindowBatch, never> {
  const windows = randomWindows(ids, size, length, key);
  const mask = { data: new Float32Array(size * length).fill(1), shape: [size, length] };
  return function* from(step) {
    for (const each of windows(step)) yield [each, mask];
    throw new Error("textBatches: random windows do not end");
  };
}

/** Windows of one run of {@link measureBits}. */
const windowsPerRun = 16;

/**
 * Bits that a text takes when each id but the first is coded with the model's law: divide by characters or bytes to compare models of different ids.
 * An id has at least half a context before it, where the text has.
 *
 * @throws InvalidArgumentError for fewer than two ids.
 */
export async function measureBits(
  runner: GraphRunner,
  config: TransformerConfig,
  params: Transformer<HostTensor>,
  ids: ArrayLike<number>,
): Promise<number> {
  if (ids.length < 2) {
    throw new InvalidArgumentError(`measureBits: needs at least 2 ids, got ${ids.length}`);
  }
  const loss = jit(runner, languageModelLoss(config));
  const length = config.contextLength + 1;
  const stride = Math.ceil(config.contextLength / 2);
  let nats = 0;
  try {
    let counted = 1;
    for (let start = 0; counted < ids.length;) {
      const windows = new Int32Array(windowsPerRun * length);
      const mask = new Float32Array(windows.length);
      const before = counted;
      for (let row = 0; row < windowsPerRun; row++, start += stride) {
        const end = Math.min(start + length, ids.length);
        for (let i = start; i < end; i++) windows[row * length + i - start] = ids[i];
        for (; counted < end; counted++) mask[row * length + counted - start] = 1;
      }
      const shape = [windowsPerRun, length];
      // oxlint-disable-next-line no-await-in-loop -- runs share one session
      const { data } = await loss(params, { data: windows, shape }, { data: mask, shape });
      nats += data[0] * (counted - before);
    }
  } finally {
    await loss.dispose();
  }
  return nats / Math.LN2;
}
