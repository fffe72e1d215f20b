/** The model contract on a session in a worker thread: ids go in, logits come back; everything else stays there. */
import type { Worker } from "node:worker_threads";
import {
  ContextLengthError,
  type ForwardOptions,
  InvalidArgumentError,
  type Matrix,
  ProbsError,
  ShapeError,
  type TappedModel,
  type TappedSequence,
  UnsupportedError,
} from "@veridraft/core-probs";
import type {
  EngineStatistics,
  ForwardCall,
  Request,
  Response,
  WorkerOptions,
} from "./protocol.ts";
import type { Started } from "./start-worker.ts";

type Answer = Exclude<Response, { op: "ready" | "refused" }>;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** A model whose session runs in its own thread; the process ends after `dispose`. */
export class OnnxModel implements TappedModel {
  readonly vocabSize: number;
  readonly contextLength: number;
  /** Hidden states of three layers, side by side; 0 where the graph gives none. */
  readonly tapWidth: number;
  /** Whether the graph runs trees that branch; a chain always runs. */
  readonly branching: boolean;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private calls = 0;
  private sequences = 0;
  private failure: Error | null = null;

  private constructor(worker: Worker, options: WorkerOptions) {
    this.worker = worker;
    this.vocabSize = options.graph.vocabSize;
    this.contextLength = options.contextLength;
    const { graph } = options;
    this.branching = graph.layout === "delta";
    this.tapWidth = graph.layout === "delta" ? graph.tapWidth : 0;
    worker.on("message", (answer: Answer) => {
      this.waiting.get(answer.call)?.resolve(answer);
      this.waiting.delete(answer.call);
    });
    worker.on("error", (error) => this.fail(error));
    worker.on("exit", () => this.fail(new Error("the model was disposed of")));
  }

  /** Loads the model file in a thread, which is the model's from then on. @throws UnsupportedError where the device cannot be used. */
  static async load({ worker, greeting }: Started, options: WorkerOptions): Promise<OnnxModel> {
    worker.postMessage(options);
    const first = await greeting;
    if (first.op === "refused") throw errorOf(first);
    return new OnnxModel(worker, options);
  }

  async open(): Promise<OnnxSequence> {
    return this.openSequence(false);
  }

  /** @throws UnsupportedError where the graph gives no hidden states, as on other devices than the CPU. */
  async openTapped(): Promise<OnnxSequence> {
    if (this.tapWidth === 0) {
      throw new UnsupportedError(
        "openTapped: the graph gives no hidden states; those of GGUF files and of exportOnnx do, on the CPU",
      );
    }
    return this.openSequence(true);
  }

  private openSequence(tapped: boolean): OnnxSequence {
    const sequence = this.sequences++;
    const abort = new Int32Array(new SharedArrayBuffer(4));
    this.cast({ op: "open", sequence, abort });
    return new OnnxSequence(this, sequence, abort, 0, tapped);
  }

  /** What the session holds and did since it was loaded. */
  async statistics(): Promise<EngineStatistics> {
    const call = this.calls++;
    const answer = await this.ask(call, { op: "statistics", call });
    return (answer as Extract<Answer, { op: "statistics" }>).statistics;
  }

  /** Ends the thread. Forwards under way are rejected. */
  async dispose(): Promise<void> {
    await this.worker.terminate();
  }

  /** Sends a request that has no answer. @internal */
  cast(request: Exclude<Request, ForwardCall | { op: "statistics" }>): void {
    if (this.failure === null) this.worker.postMessage(request);
  }

  /** Sends a forward and waits for its answer. @internal */
  call(request: Omit<ForwardCall, "op" | "call">): Promise<Answer> {
    const call = this.calls++;
    return this.ask(call, { op: "forward", call, ...request });
  }

  private ask(call: number, request: Request): Promise<Answer> {
    if (this.failure !== null) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.waiting.set(call, { resolve, reject });
      this.worker.postMessage(request);
    });
  }

  /** Number for the twin of a forked sequence. @internal */
  nextSequence(): number {
    return this.sequences++;
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.waiting.values()) reject(this.failure);
    this.waiting.clear();
  }
}

/** The error that the session's thread describes. */
function errorOf({
  code,
  message,
}: Pick<Extract<Answer, { op: "failed" }>, "code" | "message">): Error {
  return code === null ? new Error(message) : new ProbsError(code, message);
}

/** Options of a forward beyond the contract. */
export interface OnnxForwardOptions extends ForwardOptions {
  /** False runs a single row alone instead of beside a second one: other kernels, other rounding. For the self-test's control only. */
  readonly padded?: boolean;
}

/** A sequence whose rows live in the session's thread. */
export class OnnxSequence implements TappedSequence {
  private readonly model: OnnxModel;
  private readonly id: number;
  private readonly abort: Int32Array;
  private committed: number;
  private readonly tapped: boolean;
  private lastTaps: Matrix | null = null;
  /** Parents of the last forward that was not committed yet; -1, 0, 1, … for a causal one. */
  private last: ArrayLike<number> | null = null;
  private busy = false;
  private disposed = false;

  /** @internal */
  constructor(model: OnnxModel, id: number, abort: Int32Array, committed: number, tapped: boolean) {
    this.tapped = tapped;
    this.model = model;
    this.id = id;
    this.abort = abort;
    this.committed = committed;
  }

  get length(): number {
    return this.committed;
  }

  get taps(): Matrix {
    if (this.lastTaps) return this.lastTaps;
    throw new InvalidArgumentError(
      this.tapped
        ? "taps: there was no forward yet"
        : "taps: the sequence gives no hidden states; open it with openTapped",
    );
  }

  forward(ids: ArrayLike<number>, options: OnnxForwardOptions = {}): Promise<Matrix> {
    return this.run("forward", ids, null, options);
  }

  forwardTree(
    tokens: ArrayLike<number>,
    parents: ArrayLike<number>,
    options: Pick<ForwardOptions, "signal"> = {},
  ): Promise<Matrix> {
    if (tokens.length !== parents.length) {
      throw new ShapeError(`forwardTree: ${tokens.length} tokens but ${parents.length} parents`);
    }
    for (let i = 0; i < parents.length; i++) {
      if (!Number.isInteger(parents[i]) || parents[i] < -1 || parents[i] >= i) {
        throw new InvalidArgumentError(
          `forwardTree: the parent of node ${i} must be in [-1, ${i - 1}], got ${parents[i]}`,
        );
      }
    }
    if (this.model.branching) {
      return this.run("forwardTree", tokens, Int32Array.from(parents), options);
    }
    for (let i = 0; i < parents.length; i++) {
      if (parents[i] !== i - 1) {
        throw new UnsupportedError(
          `forwardTree: node ${i} is a child of ${parents[i]}, but the graph has no attention bias and runs only chains; draft without branches`,
        );
      }
    }
    return this.run("forwardTree", tokens, null, options);
  }

  commit(count: number): void {
    const last = this.takeLast("commit");
    if (!Number.isInteger(count) || count < 0 || count > last.length) {
      throw new InvalidArgumentError(
        `commit: count must be in [0, ${last.length}], the length of the last forward, got ${count}`,
      );
    }
    this.committed += count;
    this.model.cast({ op: "keep", sequence: this.id, length: this.committed });
  }

  commitPath(nodes: ArrayLike<number>): void {
    const last = this.takeLast("commitPath");
    let parent = -1;
    for (let i = 0; i < nodes.length; i++) {
      if (!(nodes[i] in last) || last[nodes[i]] !== parent) {
        throw new InvalidArgumentError(
          `commitPath: node ${nodes[i]} does not follow node ${parent} in the last forward`,
        );
      }
      parent = nodes[i];
    }
    this.committed += nodes.length;
    this.model.cast({ op: "path", sequence: this.id, nodes: Int32Array.from(nodes) });
  }

  truncate(length: number): void {
    this.check("truncate");
    if (!Number.isInteger(length) || length < 0 || length > this.committed) {
      throw new InvalidArgumentError(
        `truncate: length must be in [0, ${this.committed}], got ${length}`,
      );
    }
    this.last = null;
    this.committed = length;
    this.model.cast({ op: "keep", sequence: this.id, length });
  }

  fork(): OnnxSequence {
    this.check("fork");
    const into = this.model.nextSequence();
    const abort = new Int32Array(new SharedArrayBuffer(4));
    this.model.cast({ op: "fork", sequence: this.id, into, abort });
    return new OnnxSequence(this.model, into, abort, this.committed, this.tapped);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    Atomics.store(this.abort, 0, 1);
    this.model.cast({ op: "close", sequence: this.id });
  }

  private check(name: string): void {
    if (this.disposed) throw new InvalidArgumentError(`${name}: the sequence was disposed of`);
    if (this.busy) throw new InvalidArgumentError(`${name}: a forward of this sequence is running`);
  }

  private takeLast(name: string): ArrayLike<number> {
    this.check(name);
    if (this.last === null) {
      throw new InvalidArgumentError(`${name}: there is no forward that was not committed yet`);
    }
    const { last } = this;
    this.last = null;
    return last;
  }

  private async run(
    name: string,
    ids: ArrayLike<number>,
    parents: Int32Array | null,
    { rows = "all", signal, padded = true }: OnnxForwardOptions,
  ): Promise<Matrix> {
    this.check(name);
    signal?.throwIfAborted();
    const { vocabSize, contextLength } = this.model;
    if (ids.length === 0) throw new InvalidArgumentError(`${name}: no ids were given`);
    for (let i = 0; i < ids.length; i++) {
      if (!Number.isInteger(ids[i]) || ids[i] < 0 || ids[i] >= vocabSize) {
        throw new InvalidArgumentError(
          `${name}: ids must be in [0, ${vocabSize - 1}], got ${ids[i]} at ${i}`,
        );
      }
    }
    if (this.committed + ids.length > contextLength) {
      throw new ContextLengthError(
        `${name}: ${this.committed} + ${ids.length} tokens are more than the context of ${contextLength}`,
      );
    }
    this.busy = true;
    Atomics.store(this.abort, 0, 0);
    const stop = (): void => void Atomics.store(this.abort, 0, 1);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const answer = await this.model.call({
        sequence: this.id,
        base: this.committed,
        ids: Int32Array.from(ids),
        parents,
        rows,
        padded,
        taps: this.tapped,
      });
      if (answer.op === "failed") throw errorOf(answer);
      if (answer.op === "aborted") {
        signal?.throwIfAborted();
        throw new InvalidArgumentError(`${name}: the sequence was disposed of`);
      }
      if (answer.op !== "logits") throw new Error(`${name}: answered with ${answer.op}`);
      signal?.throwIfAborted();
      this.last = parents ?? Int32Array.from(ids, (_, i) => i - 1);
      const { data, taps } = answer;
      const cols = this.model.tapWidth;
      this.lastTaps = taps && { data: taps, rows: answer.rows, cols };
      return { data, rows: answer.rows, cols: vocabSize };
    } finally {
      signal?.removeEventListener("abort", stop);
      this.busy = false;
    }
  }
}
