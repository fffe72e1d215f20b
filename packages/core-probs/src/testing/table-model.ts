import { ContextLengthError, InvalidArgumentError, ShapeError } from "../errors.ts";
import type { Matrix } from "../matrix.ts";
import type { ForwardOptions, LanguageModel, TreeSequence } from "../model.ts";

export interface TableModelOptions {
  /** Default 4096. */
  readonly contextLength?: number;
}

/**
 * A Markov chain as a language model, exact and instant: after a token, the next one has the law `rows[token]`. Logits are ln(rows[token]).
 *
 * @param rows Square; non-negative, each with a positive sum.
 * @example const model = tableModel([[0.1, 0.9], [0.5, 0.5]]); // 0 is followed by 1 nine times in ten
 */
export function tableModel(
  rows: readonly (readonly number[])[],
  options: TableModelOptions = {},
): LanguageModel<TreeSequence> {
  const { contextLength = 4096 } = options;
  rows.forEach((probs, token) => {
    if (probs.length !== rows.length) {
      throw new ShapeError(
        `tableModel: ${rows.length} rows, but row ${token} has ${probs.length} entries`,
      );
    }
    if (!probs.every((p) => p >= 0) || !probs.some((p) => p > 0)) {
      throw new InvalidArgumentError(
        `tableModel: row ${token} must be non-negative with a positive sum, got ${probs.join(" ")}`,
      );
    }
  });
  const table: Table = {
    logits: rows.map((probs) => Float32Array.from(probs, Math.log)),
    contextLength,
  };
  return {
    vocabSize: rows.length,
    contextLength,
    open: async () => new TableSequence(table, []),
    dispose: async () => {},
  };
}

interface Table {
  readonly logits: readonly Float32Array[];
  readonly contextLength: number;
}

/** The last forward, until it is committed. */
interface Pending {
  readonly tokens: Int32Array;
  readonly parents: Int32Array;
  readonly tree: boolean;
}

class TableSequence implements TreeSequence {
  readonly #table: Table;
  #ids: number[];
  #pending: Pending | null = null;
  #busy = false;
  #disposed = false;

  constructor(table: Table, ids: number[]) {
    this.#table = table;
    this.#ids = ids;
  }

  get length(): number {
    return this.#ids.length;
  }

  async forward(ids: ArrayLike<number>, options: ForwardOptions = {}): Promise<Matrix> {
    const parents = Int32Array.from(ids, (_, i) => i - 1);
    const rows = await this.#run("forward", ids, parents, false, options.signal);
    return matrixOf(options.rows === "last" ? rows.slice(-1) : rows);
  }

  async forwardTree(
    tokens: ArrayLike<number>,
    parents: ArrayLike<number>,
    options: Pick<ForwardOptions, "signal"> = {},
  ): Promise<Matrix> {
    return matrixOf(
      await this.#run("forwardTree", tokens, Int32Array.from(parents), true, options.signal),
    );
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
    return new TableSequence(this.#table, [...this.#ids]);
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
  ): Promise<Float32Array[]> {
    this.#alive(name);
    if (this.#busy) throw new InvalidArgumentError(`${name}: the last forward has not settled`);
    signal?.throwIfAborted();
    const tokens = Int32Array.from(ids);
    const { logits, contextLength } = this.#table;
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
      if (!(id >= 0 && id < logits.length)) {
        throw new InvalidArgumentError(`${name}: ids must be in [0, ${logits.length}), got ${id}`);
      }
      if (!(parents[i] >= -1 && parents[i] < i)) {
        throw new InvalidArgumentError(
          `${name}: the parent of node ${i} must be in [-1, ${i}), got ${parents[i]}`,
        );
      }
    });
    this.#busy = true;
    try {
      await Promise.resolve();
      signal?.throwIfAborted();
    } finally {
      this.#busy = false;
    }
    this.#pending = { tokens, parents, tree };
    return Array.from(tokens, (id) => logits[id]);
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

function matrixOf(rows: readonly Float32Array[]): Matrix {
  const cols = rows[0].length;
  const data = new Float32Array(rows.length * cols);
  rows.forEach((logits, i) => data.set(logits, i * cols));
  return { data, rows: rows.length, cols };
}
