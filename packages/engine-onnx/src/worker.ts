/**
 * The session's thread: `session.run` blocks the thread it is called on, so it has one of its own, and the caller's event loop never waits.
 * Forwards that wait at the same time run together.
 */
import { parentPort } from "node:worker_threads";
import { isProbsError } from "@veridraft/core-probs";
import { ByteBudget } from "./byte-budget.ts";
import { loadEngine } from "./load-engine.ts";
import type { ForwardCall, Request, Response, WorkerOptions } from "./protocol.ts";
import { PrefixCache } from "./prefix-cache.ts";
import type { Part, PartRows } from "./runner.ts";
import { nextRun } from "./scheduler.ts";
import type { SequenceCache } from "./sequence-cache.ts";

const port = parentPort as NonNullable<typeof parentPort>;
const options = await new Promise<WorkerOptions>((resolve) => port.once("message", resolve));

/** How long a run waits for the sequences of the last one: less than a tenth of what running them apart would cost. */
const gatherMs = 3;

interface Entry {
  cache: SequenceCache;
  /** [0] is 1 while the caller wants the running forward to end. */
  readonly abort: Int32Array;
  /** Tokens of the last forward, which may be committed, and the committed rows before it. */
  pending: Int32Array;
  base: number;
}

/** A forward of which rows have still to run. */
class Job {
  readonly request: ForwardCall;
  readonly entry: Entry;
  readonly parts: PartRows[] = [];
  /** Rows that have run, or were there already. */
  done: number;

  constructor(request: ForwardCall, entry: Entry, done: number) {
    this.request = request;
    this.entry = entry;
    this.done = done;
  }

  get left(): number {
    return this.request.ids.length - this.done;
  }

  get divisible(): boolean {
    return this.request.parents === null;
  }

  get isAborted(): boolean {
    return Atomics.load(this.entry.abort, 0) === 1;
  }

  /** The next rows. */
  part(count: number): Part {
    const { ids, parents, rows, padded, taps } = this.request;
    const last = count === this.left;
    return {
      cache: this.entry.cache,
      ids: ids.subarray(this.done, this.done + count),
      parents,
      past: this.request.base + this.done,
      wanted: rows === "all" ? Array.from({ length: count }, (_, i) => i) : last ? [count - 1] : [],
      padded,
      taps,
    };
  }
}

const sequences = new Map<number, Entry>();
const prefixes = new PrefixCache(options.prefixCacheBytes);
const budget = new ByteBudget(options.maxCacheBytes, () => prefixes.dropOldest());
const engine = await loadEngine(options, budget).catch((error: unknown) => {
  reply({ op: "refused", ...described(error) });
  // The caller's thread ends this one.
  return new Promise<never>(() => {});
});
const { solo, batch } = engine;
/** In order of arrival, but a long one stands last when some of it has run. */
let jobs: Job[] = [];
let running = false;
/** Sequences that the last run answered and that have not asked again. */
const answered = new Set<number>();
let onGathered: (() => void) | undefined;
const counts = { runs: 0, forwards: 0, rows: 0, prefixRows: 0 };

function reply(message: Response, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/**
 * Waits a moment for those that ran together to ask again: a run that starts with the first of them would leave the others to a run of their own, and
 * so for ever.
 */
function gather(): Promise<unknown> {
  if (!batch || answered.size === 0) return new Promise((resolve) => setImmediate(resolve));
  return new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, gatherMs);
    onGathered = () => {
      clearTimeout(timer);
      resolve();
    };
  }).finally(() => {
    onGathered = undefined;
    answered.clear();
  });
}

/** A sequence asks again, or never will. */
function arrived(sequence: number): void {
  answered.delete(sequence);
  if (answered.size === 0) onGathered?.();
}

/** Runs what waits until nothing does. Between two runs the messages are read that came in meanwhile. */
async function runAll(): Promise<void> {
  if (running) return;
  running = true;
  while (jobs.length > 0) {
    await gather();
    for (const job of jobs) {
      if (job.isAborted) reply({ op: "aborted", call: job.request.call });
    }
    jobs = jobs.filter((job) => !job.isAborted);
    if (jobs.length > 0) await runOnce();
  }
  running = false;
}

async function runOnce(): Promise<void> {
  const picked = nextRun(jobs, batch?.slots ?? 1, engine.mostRows).map(({ index, rows }) => ({
    job: jobs[index],
    rows,
  }));
  jobs = jobs.filter((job) => !picked.some((each) => each.job === job));
  const chosen = picked.filter(({ job }) => reserve(job));
  if (chosen.length === 0) return;
  try {
    const runner = batch && chosen.length > 1 ? batch : solo;
    const made = await runner.run(chosen.map(({ job, rows }) => job.part(rows)));
    counts.runs++;
    chosen.forEach(({ job, rows }, i) => {
      counts.forwards++;
      counts.rows += rows;
      job.done += rows;
      job.parts.push(made[i]);
      if (job.left === 0) finish(job);
      else jobs.push(job);
    });
  } catch (error) {
    for (const { job } of chosen) fail(job, error);
  }
}

/** Makes room for the rows of a job, the later ones included; where there is none, the job has failed and its neighbours run without it. */
function reserve(job: Job): boolean {
  const { request, done, left, entry } = job;
  const from = request.base + done;
  try {
    entry.cache.reserve(from, from + left);
    return true;
  } catch (error) {
    fail(job, error);
    return false;
  }
}

function fail({ request }: Job, error: unknown): void {
  reply({ op: "failed", call: request.call, ...described(error) });
}

/** What of an error goes to the caller's thread. */
function described(error: unknown): Pick<Extract<Response, { op: "failed" }>, "code" | "message"> {
  const code = isProbsError(error) ? error.code : null;
  return { code, message: error instanceof Error ? error.message : String(error) };
}

/** Queues a forward. The rows of a prompt that begins as another one did are taken from there. */
function enqueue(request: ForwardCall, entry: Entry): void {
  const { ids, base, parents, rows } = request;
  entry.cache.truncate(base);
  entry.pending = ids;
  entry.base = base;
  let done = 0;
  if (base === 0 && rows === "last" && parents === null) {
    const caches = Array.from(sequences.values(), ({ cache }) => cache);
    const found = prefixes.find(ids, caches);
    if (found) {
      entry.cache.dispose();
      entry.cache = found;
      done = found.length;
      counts.prefixRows += done;
    }
  }
  jobs.push(new Job(request, entry, done));
}

/** Commits rows of the last forward, or forgets committed ones. */
function keep({ cache, pending, base }: Entry, length: number): void {
  if (length <= cache.length) cache.truncate(length);
  else cache.commit(pending.subarray(cache.length - base, length - base));
}

function finish({ request, parts }: Job): void {
  answered.add(request.sequence);
  const data = concatenate(parts.map(({ logits }) => logits));
  const taps = request.taps ? concatenate(parts.map((part) => part.taps as Float32Array)) : null;
  const rows = data.length / options.graph.vocabSize;
  const buffers = taps ? [data.buffer, taps.buffer] : [data.buffer];
  reply({ op: "logits", call: request.call, data, rows, taps }, buffers as ArrayBuffer[]);
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0];
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function open(sequence: number, cache: SequenceCache, abort: Int32Array): void {
  sequences.set(sequence, { cache, abort, pending: new Int32Array(0), base: cache.length });
}

port.on("message", (request: Request) => {
  switch (request.op) {
    case "open":
      open(request.sequence, engine.open(), request.abort);
      return;
    case "statistics": {
      const statistics = {
        sequences: sequences.size,
        cacheBytes: budget.used,
        prefixes: prefixes.size,
        ...counts,
      };
      reply({ op: "statistics", call: request.call, statistics });
      return;
    }
  }
  const entry = sequences.get(request.sequence) as Entry;
  const { cache } = entry;
  switch (request.op) {
    case "forward":
      enqueue(request, entry);
      arrived(request.sequence);
      void runAll();
      break;
    case "keep":
      keep(entry, request.length);
      break;
    case "path":
      cache.commitPath(request.nodes, entry.pending);
      break;
    case "fork":
      open(request.into, cache.fork(), request.abort);
      break;
    case "close":
      prefixes.add(cache);
      sequences.delete(request.sequence);
      arrived(request.sequence);
      break;
  }
});
reply({ op: "ready" });
