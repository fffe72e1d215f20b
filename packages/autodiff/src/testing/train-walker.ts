import { createRng } from "@veridraft/core-probs";
import { jit } from "../jit.ts";
import { trainLanguageModel } from "../nn/language-model.ts";
import {
  initTransformer,
  logitsOf,
  type Transformer,
  transformer,
  type TransformerConfig,
} from "../nn/transformer.ts";
import { mul } from "../operations/elementwise.ts";
import { argMax, mean, sum } from "../operations/reduce.ts";
import { cast, equal, less, logicalNot } from "../operations/select.ts";
import { slice } from "../operations/slices.ts";
import { cosineSchedule, warmUp } from "../optimizers/schedules.ts";
import type { GraphRunner, HostTensor } from "../runner.ts";
import type { Tensor } from "../tensor.ts";
import type { Progress } from "../train.ts";
import {
  allWalks,
  answerPlainly,
  drawExample,
  packExamples,
  walkBatches,
  walkPrompt,
} from "./two-step-walk.ts";
import type { WalkerRecipe } from "./walkers.ts";

/** Examples of a batch. */
const batchSize = 32;
const warmupSteps = 30;
/** Steps between two looks at the share of right walks. */
const judged = 5;

/**
 * Trains a walker: to the same bits on one kind of CPU, with one number of threads and one version of the gradients. One thread is fastest.
 *
 * @throws InvalidArgumentError where the recipe has no more steps than the warm-up of 30.
 */
export async function trainWalker(
  runner: GraphRunner,
  { config, atLength, steps, peak, enough, seed }: WalkerRecipe,
  onProgress?: (progress: Progress) => void,
): Promise<Transformer<HostTensor>> {
  const key = createRng(seed);
  const shareRight = jit(runner, shareOfRightWalks(config));
  const problems = packExamples(
    allWalks.map((walk, i) => ({
      prompt: walkPrompt(walk),
      answer: answerPlainly(walk, key.at(i, "accept")),
    })),
  );
  try {
    const { params } = await trainLanguageModel(runner, config, {
      params: initTransformer(config, key.at(0, "draft")),
      batches: walkBatches((rng) => drawExample(atLength, rng), batchSize, key),
      steps,
      learningRate: warmUp(warmupSteps, cosineSchedule({ peak, steps: steps - warmupSteps })),
      onProgress,
      async enough(now, step) {
        if (enough === undefined || step % judged > 0) return false;
        const { data } = await shareRight(now, ...problems);
        return data[0] >= enough;
      },
    });
    return params;
  } finally {
    await shareRight.dispose();
  }
}

/** The share of answers of which each digit is the likeliest id, given what is right before it. */
function shareOfRightWalks(
  config: TransformerConfig,
): (params: Transformer<Tensor>, windows: Tensor, mask: Tensor) => Tensor {
  return (params, windows, mask) => {
    const hidden = transformer(params, slice(windows, 1, 0, -1), config);
    const targets = slice(windows, 1, 1);
    const wrong = logicalNot(equal(argMax(logitsOf(params, hidden)), targets));
    const counts = mul(cast(less(targets, 10), "float32"), slice(mask, 1, 1));
    const mistakes = sum(mul(cast(wrong, "float32"), counts), 1);
    return mean(cast(equal(mistakes, 0), "float32"));
  };
}
