/** `veridraft draft fit`: trains a draft head on the conversations of a folder. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  adamW,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  type HostTensor,
  jit,
  leavesOf,
  shuffledRows,
  train,
  valueAndGrad,
  warmUp,
} from "@veridraft/autodiff";
import { createRng, InvalidArgumentError } from "@veridraft/core-probs";
import {
  createGraphRunner,
  fileSha256,
  readTokenTables,
  writeDraftHead,
} from "@veridraft/engine-onnx";
import {
  type HeadBatch,
  headLogits,
  headLoss,
  type HeadParams,
  initHead,
} from "@veridraft/spec-decoding/draft-head-training";
import { z } from "zod";
import { modelOptions } from "../options.ts";
import { dataFile, draftDataOptions, readConversations } from "./data.ts";
import { Features, tokensOf, writeFeatures } from "./features.ts";
import type { Conversation } from "./self-chat.ts";
import { TrainingSet } from "./training-set.ts";

const learningRate = 1.5e-3;
const warmUpSteps = 20;
/** Steps between two looks at those. */
const stepsBetweenLooks = 200;
const checkpointEvery = 200;

/** The head in the folder of a draft. */
export const headFile = "head.safetensors";
/** How it was made, the time that it took included. */
export const manifestFile = "manifest.json";

export const draftFitOptions = modelOptions.omit({ cacheType: true }).extend({
  out: draftDataOptions.shape.out,
  tokens: draftDataOptions.shape.tokens.describe("Tokens of answers to learn from."),
  seed: draftDataOptions.shape.seed.describe("Of the first parameters and of the order."),
  epochs: z
    .number()
    .min(0.01)
    .max(100)
    .default(3)
    .describe("How often each token is learned from."),
  vocabulary: z
    .int()
    .min(1)
    .default(8192)
    .describe("Tokens that the draft can say: those that the model likes most."),
  hidden: z.int().min(64).multipleOf(64).default(1536).describe("Width of the feed-forward layer."),
  batch: z.int().min(1).max(65_536).default(1024).describe("Tokens of a step."),
});
type Flags = z.output<typeof draftFitOptions>;

/** What the target says tokens with, and anchors. */
type Batch = [HostTensor, HeadBatch<HostTensor>];

/**
 * Trains, rounds and writes the head; what an earlier run did is gone on from.
 *
 * @returns Whether it was finished, and not interrupted.
 */
export async function draftFit(flags: Flags): Promise<boolean> {
  const { out, model, epochs, batch, seed } = flags;
  await mkdir(out, { recursive: true });
  const conversations = await wantedConversations(flags);
  await writeFeatures(out, conversations, flags);
  const features = await Features.open(out);
  const runner = createGraphRunner({ device: flags.device });
  const step = jit(runner, valueAndGrad(headLoss));
  const guess = jit(runner, headLogits);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once("SIGINT", interrupt);
  try {
    const started = performance.now();
    const tables = await readTokenTables(model);
    const set = await TrainingSet.of(features, tables.embedding, flags.vocabulary);
    const steps = Math.ceil((epochs * set.anchors.length) / batch);
    const key = createRng(seed);
    const order = shuffledRows(set.anchors.length, batch, key);
    const { width } = tables.embedding;
    const output = { data: tables.output.rows(set.ids), shape: [set.ids.length, width] };
    const look = async (params: HeadParams<HostTensor>): Promise<readonly number[]> =>
      set.accuracy(batch, (each) => guess(params, each.taps, each.tokens, output));
    let said = 0;
    const trained = await train({
      step,
      params: initHead(
        { width, tapWidth: features.tapWidth, hidden: flags.hidden },
        tables.outputGain,
        key.at(0, "sample"),
      ),
      optimizer: chain(
        clipByGlobalNorm(1),
        adamW({
          learningRate: warmUp(
            warmUpSteps,
            cosineSchedule({ peak: learningRate, steps, end: 0.04 * learningRate }),
          ),
          beta2: 0.95,
          weightDecay: 0.05,
        }),
      ),
      batches: async function* from(first) {
        for (const rows of order(first)) {
          const anchors = Array.from(rows, (row) => set.anchors[row]);
          yield [output, await set.batchOf(anchors)] satisfies Batch;
        }
      },
      steps,
      tokensPerStep: batch,
      checkpoint: { folder: join(out, "training"), every: checkpointEvery },
      signal: stop.signal,
      onProgress({ step: done, loss, secondsLeft }) {
        if (performance.now() - said < 5000 && done < steps) return;
        said = performance.now();
        process.stderr.write(
          `fit: step ${done} of ${steps}, loss ${loss.toFixed(3)}, ${Math.ceil(secondsLeft)} s left\n`,
        );
      },
      async enough(params, done) {
        if (done % stepsBetweenLooks === 0 || done === steps) {
          const accuracy = (await look(params)).map((share) => share.toFixed(3));
          process.stderr.write(`fit: step ${done}, dev accuracy ${accuracy.join(" ")}\n`);
        }
        return false;
      },
    });
    if (trained.step < steps) {
      process.stderr.write(`fit: stopped at step ${trained.step}; run it again to go on\n`);
      process.exitCode = 130;
      return false;
    }
    const accuracy = await look(trained.params);
    const manifest = {
      conversations: conversations.length,
      tokens: tokensOf(conversations),
      anchors: set.anchors.length,
      epochs,
      steps,
      batch,
      seed,
      vocabulary: set.ids.length,
      hidden: flags.hidden,
      devAccuracy: accuracy.map((share) => Number(share.toFixed(4))),
    };
    await writeDraftHead(join(out, headFile), {
      params: leavesOf(trained.params),
      ids: set.ids,
      targetSha256: await fileSha256(model),
      manifest,
    });
    // The minutes would make every head another file.
    const minutes = Math.round((performance.now() - started) / 6000) / 10;
    const text = JSON.stringify({ ...manifest, minutes });
    await writeFile(join(out, manifestFile), `${text}\n`);
    process.stdout.write(`${text}\n`);
    return true;
  } finally {
    process.removeListener("SIGINT", interrupt);
    await features.close();
    await Promise.all([step.dispose(), guess.dispose()]);
  }
}

/** The first conversations, by their numbers, that have the tokens. @throws InvalidArgumentError where there are too few. */
async function wantedConversations({ out, tokens }: Flags): Promise<readonly Conversation[]> {
  const all = await readConversations(join(out, dataFile));
  let sum = 0;
  const count = all.findIndex(({ answer }) => (sum += answer.length) >= tokens);
  if (count < 0) {
    throw new InvalidArgumentError(
      `draft fit: ${join(out, dataFile)} has ${sum} tokens of answers, ${tokens} are wanted; run draft data, or ask for less with --tokens`,
    );
  }
  return all.slice(0, count + 1);
}
