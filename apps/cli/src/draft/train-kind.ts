/** The training of a kind of draft on the anchors of a set. */
import {
  adamW,
  chain,
  clipByGlobalNorm,
  cosineSchedule,
  type GraphRunner,
  type HostTensor,
  jit,
  type Params,
  shuffledRows,
  train,
  valueAndGrad,
  warmUp,
} from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import type { TokenTables } from "@veridraft/engine-onnx";
import { type DraftKind, draftLoss, type HeadBatch } from "@veridraft/spec-decoding/training";
import type { TrainingSet } from "./training-set.ts";

const learningRate = 1.5e-3;
const warmUpSteps = 20;
/** Steps between two looks at what is not trained on, and between two checkpoints. */
const stepsBetweenLooks = 200;
const checkpointEvery = 200;

/** What a training is made of. */
export interface KindTraining {
  readonly runner: GraphRunner;
  readonly set: TrainingSet;
  readonly tables: TokenTables;
  /** Inside of feed-forward layers. */
  readonly hidden: number;
  readonly epochs: number;
  /** Anchors of a step. */
  readonly batch: number;
  readonly seed: number;
  /** Of checkpoints. */
  readonly folder: string;
}

/** What came of it. */
export interface TrainedKind<H> {
  readonly params: H;
  readonly steps: number;
  /** How often it guesses the target's argmax after anchors that were kept apart: the first token, and the second where the first is right. */
  readonly accuracy: readonly number[];
}

/** Trains, or goes on from the checkpoint of the folder. @returns null where Ctrl-C, which saves, was pressed. */
export async function trainKind<H extends Params, P>(
  kind: DraftKind<H, P>,
  { runner, set, tables, hidden, epochs, batch, seed, folder }: KindTraining,
): Promise<TrainedKind<H> | null> {
  const step = jit(runner, valueAndGrad(draftLoss(kind.logits)));
  const guess = jit(runner, kind.logits);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once("SIGINT", interrupt);
  try {
    const units = set.units(kind.window);
    const size = batch / kind.window;
    const steps = Math.ceil((epochs * units.length) / size);
    const key = createRng(seed);
    const order = shuffledRows(units.length, size, key);
    const { width } = tables.embedding;
    const output = { data: tables.output.rows(set.ids), shape: [set.ids.length, width] };
    const look = (params: H): Promise<readonly number[]> =>
      set.accuracy(kind.window, size, ({ taps, tokens }) =>
        (guess as unknown as Guess<H>)(params, taps, tokens, output),
      );
    const peak = learningRate;
    const rate = warmUp(warmUpSteps, cosineSchedule({ peak, steps, end: 0.04 * peak }));
    let said = 0;
    const trained = await train({
      step: step as unknown as Step<H>,
      params: kind.init(
        { width, tapWidth: set.tapWidth, hidden },
        tables.outputGain,
        key.at(0, "sample"),
      ),
      optimizer: chain(
        clipByGlobalNorm(1),
        adamW({ learningRate: rate, beta2: 0.95, weightDecay: 0.05 }),
      ),
      batches: async function* from(first) {
        for (const rows of order(first)) {
          const anchors = Array.from(rows, (row) => units[row]).flat();
          yield [output, await set.batchOf(anchors)] satisfies Batch;
        }
      },
      steps,
      tokensPerStep: batch,
      checkpoint: { folder, every: checkpointEvery },
      signal: stop.signal,
      onProgress({ step: done, loss, secondsLeft }) {
        if (performance.now() - said < 5000 && done < steps) return;
        said = performance.now();
        process.stderr.write(
          `fit: step ${done} of ${steps}, loss ${loss.toFixed(3)}, ${Math.ceil(secondsLeft)} s left\n`,
        );
      },
      async enough(params, done) {
        if (done % stepsBetweenLooks > 0) return false;
        const accuracy = (await look(params)).map((share) => share.toFixed(3));
        process.stderr.write(`fit: step ${done}, right on dev: ${accuracy.join(" ")}\n`);
        return false;
      },
    });
    const { params } = trained;
    if (trained.step < steps) return null;
    return { params, steps, accuracy: await look(params) };
  } finally {
    process.removeListener("SIGINT", interrupt);
    await Promise.all([step.dispose(), guess.dispose()]);
  }
}

/** What the target says tokens with, and anchors. */
type Batch = [HostTensor, HeadBatch<HostTensor>];
type Step<H> = (params: H, ...batch: Batch) => Promise<readonly [HostTensor, H]>;
type Guess<H> = (
  params: H,
  taps: HostTensor,
  tokens: HostTensor,
  output: HostTensor,
) => Promise<readonly HostTensor[]>;
