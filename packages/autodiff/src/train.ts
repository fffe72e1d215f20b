/**
 * The training loop: batches in, parameters out, and what a long run needs on the way. Everything that the next step depends on is in the
 * checkpoint or a function of the step, so a run that was cut off and goes on has the losses of an unbroken one, to the bit on a CPU.
 */
import { InvalidArgumentError } from "@veridraft/core-probs";
import { allFinite } from "./kernels.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint-folder.ts";
import { copyOf, leavesOf, type Params } from "./leaves.ts";
import { applyUpdatesInPlace, type Optimizer, type State } from "./optimizers/optimizer.ts";
import type { HostTensor } from "./runner.ts";
import { openLog } from "./train-log.ts";

/** Settings of {@link train}. */
export interface TrainOptions<P extends Params, B extends readonly unknown[]> {
  /** Loss and gradients: `jit(runner, valueAndGrad(loss))`. Other results of the loss function are not looked at. */
  readonly step: (
    params: P,
    ...batch: B
  ) => Promise<readonly [loss: HostTensor | readonly [HostTensor, unknown], gradients: P]>;
  /** Initial parameters; they are copied. */
  readonly params: P;
  readonly optimizer: Optimizer;
  /** For a step, the first being 0, the batches from there on: the further arguments of `step`. */
  readonly batches: (step: number) => Iterable<B> | AsyncIterable<B>;
  /** Updates in all, those before a resume included. Training ends earlier where the batches do. */
  readonly steps: number;
  /**
   * Where to save, and after how many steps each. A checkpoint that is there already is gone on from. Beside it are `log.jsonl` and `loss.svg`.
   */
  readonly checkpoint?: { readonly folder: string; readonly every: number };
  /** For the progress: the tokens, or whatever is counted, of a batch. Default 1, so that its rate is that of steps. */
  readonly tokensPerStep?: number;
  /** Aborted: the step under way is finished and saved. Batches that are waited for are not cut short. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Asked after each update; `true` ends the training, as when a held-out loss has stopped falling. */
  readonly enough?: (params: P, step: number) => boolean | Promise<boolean>;
}

/** After an update. */
export interface Progress {
  /** Updates done. */
  readonly step: number;
  readonly steps: number;
  /** Before the update. */
  readonly loss: number;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
}

/** What was learned. */
export interface Trained<P extends Params> {
  readonly params: P;
  /** The optimizer's. */
  readonly state: State;
  /** Updates done: less than `steps` where it was aborted, the batches ended or it was enough. */
  readonly step: number;
}

/** Share of the last step in the pace that progress shows. */
const paceShare = 0.1;

/**
 * Trains until `steps` updates are done, the batches end or the signal is aborted, and saves then, too.
 *
 * @throws InvalidArgumentError where the loss, a gradient or, at a checkpoint, a parameter is not finite (such a step is not saved), or where the checkpoint is of another model; ModelFileError where a checkpoint or the log cannot be written (the one before is untouched).
 */
export async function train<P extends Params, B extends readonly unknown[]>({
  step: run,
  params: initial,
  optimizer,
  batches,
  steps,
  checkpoint,
  tokensPerStep = 1,
  signal,
  onProgress,
  enough,
}: TrainOptions<P, B>): Promise<Trained<P>> {
  checkCount("steps", steps);
  if (checkpoint) checkCount("checkpoint.every", checkpoint.every);
  let params = copyOf(initial);
  let state = optimizer.init(params);
  const resumed = checkpoint && (await loadCheckpoint(checkpoint.folder, { params, state }));
  if (resumed) {
    params = resumed.params as P;
    state = resumed.state;
  }
  let step = resumed?.step ?? 0;
  let savedStep = resumed?.step;
  const log = checkpoint && (await openLog(checkpoint.folder, step));

  const save = async (): Promise<void> => {
    if (!checkpoint || step === savedStep) return;
    const bad = firstBad(params);
    if (bad) throw diverged(step, `parameter ${bad}`);
    await log?.flush();
    await saveCheckpoint(checkpoint.folder, { step, params, state });
    savedStep = step;
  };

  if (step < steps && !signal?.aborted) {
    const first = step;
    let pace = 0;
    for await (const batch of batches(step)) {
      const start = performance.now();
      const [value, gradients] = await run(params, ...batch);
      const { data } = "shape" in value ? value : value[0];
      const loss = Number(data[0]);
      checkFinite(step, loss, gradients, params);
      const [updates, next] = await optimizer.update(gradients, state, params);
      applyUpdatesInPlace(params, updates);
      state = next;
      step++;
      const seconds = (performance.now() - start) / 1000;
      // The first step compiles: it says nothing about the others.
      pace = step <= first + 2 ? seconds : pace + paceShare * (seconds - pace);
      await log?.add({ step, loss, seconds });
      onProgress?.({
        step,
        steps,
        loss,
        tokensPerSecond: tokensPerStep / pace,
        secondsLeft: (steps - step) * pace,
      });
      if (step >= steps || signal?.aborted || (await enough?.(params, step))) break;
      if (checkpoint && step % checkpoint.every === 0) await save();
    }
  }
  await save();
  return { params, state, step };
}

function checkFinite(done: number, loss: number, gradients: Params, params: Params): void {
  const bad = firstBad(gradients);
  if (Number.isFinite(loss) && bad === null) return;
  const badParameter = firstBad(params);
  const where =
    badParameter === null ? bad && `the gradient of ${bad}` : `parameter ${badParameter}`;
  throw diverged(done + 1, where ?? "no parameter and no gradient", loss);
}

function diverged(step: number, where: string, loss?: number): InvalidArgumentError {
  const what = loss === undefined ? "" : `the loss is ${loss}, and `;
  return new InvalidArgumentError(
    `train: at step ${step} ${what}the first that is not finite is ${where}; the step is not saved: go on from an earlier one with a lower learning rate or clipped gradients`,
  );
}

/** The path of the first tensor with a value that is not finite. */
function firstBad(tree: Params): string | null {
  for (const [path, { data }] of leavesOf(tree)) if (!allFinite(data as Float32Array)) return path;
  return null;
}

function checkCount(name: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value > 0)) {
    throw new InvalidArgumentError(`train: ${name} must be a positive integer, got ${value}`);
  }
}
