import { InvalidArgumentError, row, type Sequence, type TreeSequence } from "@veridraft/core-probs";

/** A sequence that runs only what it has not run before. Disposed during a forward, it waits for its end. */
export class FollowingCache {
  readonly #sequence: Sequence;
  readonly #ids: number[] = [];
  #running = false;
  #disposed = false;

  constructor(sequence: Sequence) {
    this.#sequence = sequence;
  }

  /** Logits of the token after `text`. */
  async logitsAfter(text: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    if (this.#disposed) throw new InvalidArgumentError("draft-model: the drafter is disposed");
    let common = 0;
    const most = Math.min(this.#ids.length, text.length - 1);
    while (common < most && this.#ids[common] === text[common]) common++;
    if (common < this.#ids.length) {
      this.#sequence.truncate(common);
      this.#ids.length = common;
    }
    const fresh = text.slice(common);
    return this.#run(async (sequence) => {
      const logits = await sequence.forward(fresh, { rows: "last", signal });
      sequence.commit(fresh.length);
      this.#ids.push(...fresh);
      return row(logits, 0);
    });
  }

  /**
   * Logits after the nodes of a tree from node `first` on; the tree hangs below the text of the last {@link logitsAfter}. One forward for all of them
   * where the sequence runs trees, else one for each.
   */
  async logitsAfterNodes(
    tokens: readonly number[],
    parents: readonly number[],
    first: number,
    signal?: AbortSignal,
  ): Promise<Float32Array[]> {
    return this.#run(async (sequence) => {
      const nodes = tokens.map((_, node) => node).slice(first);
      if (runsTrees(sequence)) {
        const logits = await sequence.forwardTree(tokens, parents, { signal });
        return nodes.map((node) => row(logits, node));
      }
      const rows: Float32Array[] = [];
      for (const node of nodes) {
        const path: number[] = [];
        for (let at = node; at >= 0; at = parents[at]) path.unshift(tokens[at]);
        // oxlint-disable-next-line no-await-in-loop -- a sequence runs one forward at a time
        rows.push(row(await sequence.forward(path, { rows: "last", signal }), 0));
      }
      return rows;
    });
  }

  async #run<T>(work: (sequence: Sequence) => Promise<T>): Promise<T> {
    if (this.#disposed) throw new InvalidArgumentError("draft-model: the drafter is disposed");
    this.#running = true;
    try {
      return await work(this.#sequence);
    } finally {
      this.#running = false;
      if (this.#disposed) this.#sequence.dispose();
    }
  }

  dispose(): void {
    if (!this.#disposed && !this.#running) this.#sequence.dispose();
    this.#disposed = true;
  }
}

function runsTrees(sequence: Sequence): sequence is TreeSequence {
  return "forwardTree" in sequence;
}
