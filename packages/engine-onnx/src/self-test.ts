/**
 * What this CPU and this graph do, measured at start-up: whether logits are bitwise independent of how tokens are cut into calls, and what a call of
 * n rows costs.
 */
import { createHash, randomUUID } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { type Matrix, row } from "@veridraft/core-probs";
import type { CacheType } from "./cache-type.ts";
import type { Device } from "./session.ts";
import type { OnnxModel, OnnxSequence } from "./model.ts";

/** The outcome of {@link selfTest}. */
export interface SelfTest {
  /** Logits of a row are bitwise the same however the rows before it were cut into calls, and whatever other sequences run with it. */
  readonly exact: boolean;
  /** The same holds for rows of a tree whose nodes are interleaved with those of another branch; false where the graph runs none that branch. */
  readonly exactTrees: boolean;
  /** Largest difference of a logit when a single row runs alone, which takes other kernels: shows that differences would have been seen. */
  readonly control: number;
  /** costs[n] is the milliseconds of a forward of n rows past 64 tokens, less in a context that is too short; index 0 is 0. */
  readonly costs: Float64Array;
}

const tokens = 32;
const cuts = [2, 3, 5, 1, 8, 13];
const measuredRows = [1, 2, 3, 4, 6, 8, 12, 16];
const pastRows = 64;
/** Tokens of the shortest context that the test fits in: its rows, the last eight of them as a tree of two branches. */
export const shortestContext = tokens + 16;
const repetitions = 5;
/** Rows of the forwards after nothing that tell whether the machine is as fast as it was: a few milliseconds at every start. */
const probedRows = [2, 8];
/** What they take of the costs that are known. A first forward may be slow by chance, but none is fast by chance. */
const least = 0.8;
const most = 1.5;

/** What a result holds for, beside the model. */
export interface Conditions {
  readonly device: Device;
  readonly threads: number;
  readonly spinning: boolean;
  /** Sequences that run together. */
  readonly streams: number;
  readonly cacheType: CacheType;
}

/**
 * The result of an earlier start under the same conditions, on the same CPU and runtime, or a new one: logits depend on nothing else. Costs depend on
 * what else the machine does: they are measured anew where it is not as fast as it was, and kept where it is faster, so that a busy moment is not remembered.
 *
 * @param folder Keeps the results.
 */
export async function recalledSelfTest(
  model: OnnxModel,
  folder: string,
  conditions: Conditions,
): Promise<SelfTest> {
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json");
  const about = JSON.stringify([conditions, cpus()[0].model, version]);
  const key = createHash("sha256").update(about).digest("hex").slice(0, 16);
  const file = join(folder, `self-test-${key}.json`);
  const old = await read(file);
  const shares = old ? await probe(model, old.costs) : [];
  const faster = shares.some((share) => share < least);
  const slower = shares.every((share) => share > most);
  if (old && !faster && !slower) return old;
  const result = old
    ? { ...old, costs: await measureCosts(model) }
    : await selfTest(model, conditions.streams);
  // A folder that cannot be written to costs a test at every start, no more.
  if (!old || faster) await write(file, result).catch(() => {});
  return result;
}

async function write(file: string, result: SelfTest): Promise<void> {
  const part = `${file}.${randomUUID()}.part`;
  await writeFile(part, JSON.stringify({ ...result, costs: [...result.costs] }));
  await rename(part, file);
}

/** Null where there is no result, or a damaged one. */
async function read(file: string): Promise<SelfTest | null> {
  try {
    const { exact, exactTrees, control, costs } = JSON.parse(await readFile(file, "utf8"));
    return { exact, exactTrees, control, costs: Float64Array.from(costs) };
  } catch {
    return null;
  }
}

/** What a few forwards take now, as shares of the costs that are known. */
async function probe(model: OnnxModel, known: Float64Array): Promise<number[]> {
  const sequence = await model.open();
  // The very first one wakes threads and touches memory.
  await sequence.forward(idsOf(model, 2));
  const costs = await fastest(model, sequence, probedRows, 1);
  sequence.dispose();
  return probedRows.map((rows) => costs[rows] / known[rows]);
}

/** Runs the test; about half a second on the embedded model. @param streams Sequences that run together. */
export async function selfTest(model: OnnxModel, streams: number): Promise<SelfTest> {
  const ids = idsOf(model, tokens);
  const sequence = await model.open();
  try {
    const whole = await sequence.forward(ids);
    let exact = true;
    let at = 0;
    for (const size of cuts) {
      const part = await sequence.forward(ids.subarray(at, at + size));
      for (let i = 0; i < size; i++) {
        if (largestDifference(part, i, whole, at + i) !== 0) exact = false;
      }
      sequence.commit(size);
      at += size;
    }
    sequence.truncate(tokens - 8);
    const exactTrees =
      model.branching && (await treesAgree(sequence, ids.subarray(tokens - 8), whole));
    const alone = await sequence.forward(ids.subarray(tokens - 8, tokens - 7), { padded: false });
    const control = largestDifference(alone, 0, whole, tokens - 8);
    exact &&= streams === 1 || (await neighboursAgree(model, ids, whole));
    return {
      exact,
      exactTrees,
      control,
      costs: await measureCosts(model),
    };
  } finally {
    sequence.truncate(0);
    sequence.dispose();
  }
}

/** Runs `ids` beside two sequences of other lengths. */
async function neighboursAgree(model: OnnxModel, ids: Int32Array, whole: Matrix): Promise<boolean> {
  const sequences = await Promise.all([0, 5, 11].map(() => model.open()));
  try {
    for (const [i, start] of [0, 5, 11].entries()) {
      if (start === 0) continue;
      await sequences[i].forward(ids.subarray(0, start));
      sequences[i].commit(start);
    }
    let at = 0;
    for (const size of cuts) {
      const [part] = await Promise.all([
        sequences[0].forward(ids.subarray(at, at + size)),
        sequences[1].forward(ids.subarray(0, 1)),
        sequences[2].forward(ids.subarray(0, 4)),
      ]);
      for (let i = 0; i < size; i++) {
        if (largestDifference(part, i, whole, at + i) !== 0) return false;
      }
      sequences[0].commit(size);
      at += size;
    }
    return true;
  } finally {
    for (const sequence of sequences) {
      sequence.truncate(0);
      sequence.dispose();
    }
  }
}

/** Runs `ids` as one branch of a tree whose other branch stands between its nodes. */
async function treesAgree(
  sequence: OnnxSequence,
  ids: Int32Array,
  whole: Matrix,
): Promise<boolean> {
  const nodes: number[] = [];
  const parents: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const previous = 2 * (i - 1);
    nodes.push(ids[i], (ids[i] + 1) % whole.cols);
    parents.push(i === 0 ? -1 : previous, i === 0 ? -1 : previous + 1);
  }
  const tree = await sequence.forwardTree(nodes, parents);
  for (let i = 0; i < ids.length; i++) {
    if (largestDifference(tree, 2 * i, whole, whole.rows - ids.length + i) !== 0) return false;
  }
  return true;
}

/** Milliseconds of forwards of so many rows after those of the sequence, the least of `times`; by rows, others are Infinity. */
async function fastest(
  model: OnnxModel,
  sequence: OnnxSequence,
  sizes: readonly number[],
  times: number,
): Promise<Float64Array> {
  const longest = Math.max(...sizes);
  const ids = idsOf(model, longest);
  const costs = new Float64Array(longest + 1).fill(Infinity);
  for (let repetition = 0; repetition < times; repetition++) {
    for (const rows of sizes) {
      const start = performance.now();
      await sequence.forward(ids.subarray(0, rows));
      costs[rows] = Math.min(costs[rows], performance.now() - start);
    }
  }
  return costs;
}

async function measureCosts(model: OnnxModel): Promise<Float64Array> {
  const sequence = await model.open();
  const past = Math.min(pastRows, model.contextLength - Math.max(...measuredRows));
  await sequence.forward(idsOf(model, past), { rows: "last" });
  sequence.commit(past);
  const costs = await fastest(model, sequence, measuredRows, repetitions);
  sequence.truncate(0);
  sequence.dispose();
  // Between measured sizes a straight line; and never cheaper with more rows.
  costs[0] = 0;
  for (let i = 1; i < measuredRows.length; i++) {
    const [low, high] = [measuredRows[i - 1], measuredRows[i]];
    costs[high] = Math.max(costs[high], costs[low]);
    for (let n = low + 1; n < high; n++) {
      costs[n] = costs[low] + ((n - low) / (high - low)) * (costs[high] - costs[low]);
    }
  }
  return costs;
}

function idsOf(model: OnnxModel, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (i * 7919 + 13) % model.vocabSize);
}

function largestDifference(a: Matrix, i: number, b: Matrix, j: number): number {
  const [x, y] = [row(a, i), row(b, j)];
  let largest = 0;
  for (let k = 0; k < x.length; k++) largest = Math.max(largest, Math.abs(x[k] - y[k]));
  return largest;
}
