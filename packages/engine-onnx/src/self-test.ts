/**
 * What this CPU and this graph do, measured at start-up: whether logits are bitwise independent of how tokens are cut into calls, and what a call of
 * n rows costs.
 */
import { type Matrix, row } from "@veridraft/core-probs";
import type { OnnxModel, OnnxSequence } from "./model.ts";

/** The outcome of {@link selfTest}. */
export interface SelfTest {
  /** Logits of a row are bitwise the same however the rows before it were cut into calls, and whatever other sequences run with it. */
  readonly exact: boolean;
  /** The same holds for rows of a tree whose nodes are interleaved with those of another branch. */
  readonly exactTrees: boolean;
  /** Largest difference of a logit when a single row runs alone, which takes other kernels: shows that differences would have been seen. */
  readonly control: number;
  /** costs[n] is the milliseconds of a forward of n rows past 64 tokens; index 0 is 0. */
  readonly costs: Float64Array;
}

const tokens = 32;
const cuts = [2, 3, 5, 1, 8, 13];
const measuredRows = [1, 2, 3, 4, 6, 8, 12, 16];
const repetitions = 3;

/** Runs the test; about half a second on the embedded model. @param streams Sequences that run together. */
export async function selfTest(model: OnnxModel, streams: number): Promise<SelfTest> {
  const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 7919 + 13) % model.vocabSize);
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
    const exactTrees = await treesAgree(sequence, ids.subarray(tokens - 8), whole);
    const alone = await sequence.forward(ids.subarray(tokens - 8, tokens - 7), { padded: false });
    const control = largestDifference(alone, 0, whole, tokens - 8);
    exact &&= streams === 1 || (await neighboursAgree(model, ids, whole));
    return { exact, exactTrees, control, costs: await measureCosts(sequence, ids) };
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

async function measureCosts(sequence: OnnxSequence, ids: Int32Array): Promise<Float64Array> {
  await sequence.forward(ids);
  sequence.commit(ids.length);
  const most = measuredRows[measuredRows.length - 1];
  const costs = new Float64Array(most + 1).fill(Infinity);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const rows of measuredRows) {
      const start = performance.now();
      await sequence.forward(ids.subarray(0, rows));
      costs[rows] = Math.min(costs[rows], performance.now() - start);
    }
  }
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

function largestDifference(a: Matrix, i: number, b: Matrix, j: number): number {
  const [x, y] = [row(a, i), row(b, j)];
  let largest = 0;
  for (let k = 0; k < x.length; k++) largest = Math.max(largest, Math.abs(x[k] - y[k]));
  return largest;
}
