import { ContextLengthError, InvalidArgumentError, ShapeError } from "../errors.ts";
import type { Matrix } from "../matrix.ts";
import type { ForwardOptions, LanguageModel, TreeSequence } from "../model.ts";

/** A model as one function. */
export interface ForwardModelOptions {
  readonly vocabSize: number;
  readonly contextLength: number;
  /**
   * Logits [tokens, vocabSize] of the nodes of a tree: node i sees the committed tokens, its ancestors and itself. Arguments are checked.
   *
   * @param parents parents[i] < i is the parent of node i, -1 for a child of the last committed token; a chain has i - 1.
   */
  readonly run: (
    committed: readonly number[],
    tokens: Int32Array,
    parents: Int32Array,
  ) => Promise<Matrix>;
  readonly dispose?: () => Promise<void>;
}

/**
 * A language model out of a function that computes all rows anew: sequences hold nothing but ids.
 *
 * @example
 * const uniform = forwardModel({
 *   vocabSize: 2,
 *   contextLength: 8,
 *   run: async (_, { length }) => ({ data: new Float32Array(2 * length), rows: length, cols: 2 }),
 * });
 */
export function forwardModel(options: ForwardModelOptions): LanguageModel<TreeSequence> {
  const { vocabSize, contextLength, dispose = async () => {} } = options;
  return {
    vocabSize,
    contextLength,
    open: async () => new ForwardSequence(options, []),
    dispose,
  };
}

/** The last forward, until it is committed. */
interface Pending {
  readonly tokens: Int32Array;
  readonly parents: Int32Array;
  readonly tree: boolean;
}

class ForwardSequence implements TreeSequence {
  readonly #model: ForwardModelOptions;
  #ids: number[];
  #pending: Pending | null = null;
  #busy = false;
  #disposed = false;

  constructor(model: ForwardModelOptions, ids: number[]) {
    this.#model = model;
    this.#ids = ids;
  }

  get length(): number {
    return this.#ids.length;
  }

  async forward(ids: ArrayLike<number>, options: ForwardOptions = {}): Promise<Matrix> {
    const parents = Int32Array.from(ids, (_, i) => i - 1);
    const logits = await this.#run("forward", ids, parents, false, options.signal);
    return options.rows === "last" ? lastRow(logits) : logits;
  }

  async forwardTree(
    tokens: ArrayLike<number>,
    parents: ArrayLike<number>,
    options: Pick<ForwardOptions, "signal"> = {},
  ): Promise<Matrix> {
    return this.#run("forwardTree", tokens, Int32Array.from(parents), true, options.signal);
  }

  commit(count: number): void {
    const pending = this.#take("commit", false);
    if (!(Number.isInteger(count) && count >= 0 && count <= pending.tokens.length)) {
      throw new InvalidArgumentError(
        `commit: count must be an integer in [0, ${pending.tokens.length}], got ${count}`,
      );
    }
    this.#ids.push(...pending.tokens.subarray(0, count));
  }

  commitPath(nodes: ArrayLike<number>): void {
    const pending = this.#take("commitPath", true);
    let parent = -1;
    for (const node of Array.from(nodes)) {
      if (pending.parents[node] !== parent) {
        throw new InvalidArgumentError(
          `commitPath: node ${node} has the parent ${pending.parents[node]}, but follows ${parent}`,
        );
      }
      parent = node;
    }
    for (const node of Array.from(nodes)) this.#ids.push(pending.tokens[node]);
  }

  truncate(length: number): void {
    this.#alive("truncate");
    if (!(Number.isInteger(length) && length >= 0 && length <= this.#ids.length)) {
      throw new InvalidArgumentError(
        `truncate: length must be an integer in [0, ${this.#ids.length}], got ${length}`,
      );
    }
    this.#ids.length = length;
    this.#pending = null;
  }

  fork(): TreeSequence {
    this.#alive("fork");
    return new ForwardSequence(this.#model, [...this.#ids]);
  }

  dispose(): void {
    this.#disposed = true;
  }

  async #run(
    name: string,
    ids: ArrayLike<number>,
    parents: Int32Array,
    tree: boolean,
    signal?: AbortSignal,
  ): Promise<Matrix> {
    this.#alive(name);
    if (this.#busy) throw new InvalidArgumentError(`${name}: the last forward has not settled`);
    signal?.throwIfAborted();
    const tokens = Int32Array.from(ids);
    const { vocabSize, contextLength } = this.#model;
    if (tokens.length === 0) throw new InvalidArgumentError(`${name}: needs at least one id`);
    if (parents.length !== tokens.length) {
      throw new ShapeError(`${name}: ${tokens.length} tokens but ${parents.length} parents`);
    }
    if (this.#ids.length + tokens.length > contextLength) {
      throw new ContextLengthError(
        `${name}: ${this.#ids.length} + ${tokens.length} tokens exceed the context of ${contextLength}`,
      );
    }
    tokens.forEach((id, i) => {
      if (!(id >= 0 && id < vocabSize)) {
        throw new InvalidArgumentError(`${name}: ids must be in [0, ${vocabSize}), got ${id}`);
      }
      if (!(parents[i] >= -1 && parents[i] < i)) {
        throw new InvalidArgumentError(
          `${name}: the parent of node ${i} must be in [-1, ${i}), got ${parents[i]}`,
        );
      }
    });
    this.#busy = true;
    try {
      const logits = await this.#model.run(this.#ids, tokens, parents);
      signal?.throwIfAborted();
      this.#pending = { tokens, parents, tree };
      return logits;
    } finally {
      this.#busy = false;
    }
  }

  #take(name: string, tree: boolean): Pending {
    this.#alive(name);
    const pending = this.#pending;
    if (!pending || pending.tree !== tree) {
      throw new InvalidArgumentError(
        `${name}: needs an uncommitted ${tree ? "forwardTree" : "forward"} before it`,
      );
    }
    this.#pending = null;
    return pending;
  }

  #alive(name: string): void {
    if (this.#disposed) throw new InvalidArgumentError(`${name}: the sequence is disposed`);
  }
}

function lastRow({ data, rows, cols }: Matrix): Matrix {
  return { data: data.slice((rows - 1) * cols), rows: 1, cols };
}
