import { childrenOf, type DraftTree } from "./tree.ts";

const bins = 20;
/** Observations that the drafter's own estimate counts for. */
const priorWeight = 4;
/** Observations of a bin after which old ones count half, so that it follows a change of topic. */
const memory = 512;

/**
 * How often drafted tokens are accepted, by the confidence that their drafter gave them. A bin starts with the confidence itself and moves to the
 * measured rate. One for each kind of drafter; a server shares it among generations.
 */
export class Calibration {
  readonly #tested = new Float64Array(bins).fill(priorWeight);
  readonly #accepted = Float64Array.from(
    { length: bins },
    (_, i) => (priorWeight * (i + 0.5)) / bins,
  );
  /** Milliseconds that asking the drafter won a round, recently; undefined before it was asked. Kept by the schedule, for the next generation. */
  won: number | undefined;
  #allTested = 2 * priorWeight;
  #allAccepted = 1.2 * priorWeight;

  /** Share of all tested tokens that were accepted; .6 before anything was tested. */
  get acceptance(): number {
    return this.#allAccepted / this.#allTested;
  }

  /** Probability that a token of this confidence is accepted, given that its parent is. */
  probability(confidence: number): number {
    const bin = binOf(confidence);
    return this.#accepted[bin] / this.#tested[bin];
  }

  /** Counts the children of the root and of every accepted node: they were tested. */
  observe(tree: DraftTree, path: ArrayLike<number>): void {
    for (let depth = 0; depth <= path.length; depth++) {
      const node = depth === 0 ? -1 : path[depth - 1];
      for (const child of childrenOf(tree, node)) {
        this.count(tree.confidences[child], child === path[depth]);
      }
    }
  }

  /** Counts one tested token. */
  count(confidence: number, accepted: boolean): void {
    const bin = binOf(confidence);
    this.#tested[bin]++;
    this.#accepted[bin] += Number(accepted);
    if (this.#tested[bin] > memory) {
      this.#tested[bin] /= 2;
      this.#accepted[bin] /= 2;
    }
    this.#allTested++;
    this.#allAccepted += Number(accepted);
    if (this.#allTested > memory) {
      this.#allTested /= 2;
      this.#allAccepted /= 2;
    }
  }
}

function binOf(confidence: number): number {
  return Math.min(bins - 1, Math.floor(confidence * bins));
}
