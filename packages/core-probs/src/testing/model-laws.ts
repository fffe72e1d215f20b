import { type Matrix, row } from "../matrix.ts";
import type { LanguageModel, Sequence, TreeSequence } from "../model.ts";

export interface ModelLawsOptions {
  /** Text to try: at least 6 ids of the model's vocabulary, at most its context. */
  readonly ids: readonly number[];
  /** Largest difference of two logits that should be equal; 0 asks for equal bits. Default 0. */
  readonly tolerance?: number;
}

/**
 * Throws where a model breaks its contract: logits finite or -Infinity and of the right shape; one call = many calls; rows "last" = the last row
 * of "all"; a forward commits nothing; commit, truncate and fork leave what they should.
 */
export async function modelLaws(
  model: LanguageModel<Sequence>,
  options: ModelLawsOptions,
): Promise<void> {
  const { ids, tolerance = 0 } = options;
  if (ids.length < 6) throw fail(`needs at least 6 ids, got ${ids.length}`);
  const half = ids.length >> 1;
  const sequence = await model.open();
  try {
    expectLength(sequence, 0, "a new sequence");
    const whole = await sequence.forward(ids);
    if (whole.rows !== ids.length || whole.cols !== model.vocabSize) {
      throw fail(
        `forward of ${ids.length} ids gave [${whole.rows}, ${whole.cols}] logits, vocabulary ${model.vocabSize}`,
      );
    }
    expectUsable(whole);
    expectLength(sequence, 0, "forward");
    const last = await sequence.forward(ids, { rows: "last" });
    if (last.rows !== 1) throw fail(`rows "last" gave ${last.rows} rows`);
    expectEqual(row(last, 0), row(whole, ids.length - 1), tolerance, `rows "last"`);

    for (let i = 0; i < half; i++) {
      const one = await sequence.forward([ids[i]]);
      expectEqual(row(one, 0), row(whole, i), tolerance, `row ${i} one token at a time`);
      sequence.commit(1);
    }
    expectLength(sequence, half, "commit");
    const rest = await sequence.forward(ids.slice(half));
    for (let i = half; i < ids.length; i++) {
      expectEqual(row(rest, i - half), row(whole, i), tolerance, `row ${i} after a cached half`);
    }
    sequence.commit(1);
    expectLength(sequence, half + 1, "a partial commit");

    const fork = sequence.fork();
    try {
      await fork.forward([ids[0], ids[1]]);
      fork.commit(2);
      expectLength(fork, half + 3, "commit on a fork");
      expectLength(sequence, half + 1, "commit on a fork of it");
      fork.truncate(half);
      await expectNext(fork, ids, half, whole, tolerance, "truncate on a fork");
    } finally {
      fork.dispose();
    }
    await expectNext(sequence, ids, half + 1, whole, tolerance, "a fork of it was used");
    sequence.truncate(1);
    await expectNext(sequence, ids, 1, whole, tolerance, "truncate");
  } finally {
    sequence.dispose();
  }
}

/** {@link modelLaws}, and for trees: every node's logits equal those of its path run as a chain, and commitPath keeps exactly the path. */
export async function treeModelLaws(
  model: LanguageModel<TreeSequence>,
  options: ModelLawsOptions,
): Promise<void> {
  await modelLaws(model, options);
  const { ids, tolerance = 0 } = options;
  const [root, ...rest] = ids.slice(-6);
  const prefix = ids.slice(0, Math.max(1, ids.length - 6));
  const tokens = [root, ...rest, rest[1]];
  const parents = [-1, 0, 0, 1, 1, 2, 3];
  const sequence = await model.open();
  try {
    await sequence.forward(prefix);
    sequence.commit(prefix.length);
    const tree = await sequence.forwardTree(tokens, parents);
    if (tree.rows !== tokens.length) {
      throw fail(`forwardTree of ${tokens.length} nodes gave ${tree.rows} rows`);
    }
    expectLength(sequence, prefix.length, "forwardTree");
    for (let node = 0; node < tokens.length; node++) {
      const path = pathTo(node, parents);
      const chain = await sequence.forward(path.map((i) => tokens[i]));
      const what = `node ${node} of a tree against its path as a chain`;
      expectEqual(row(tree, node), row(chain, path.length - 1), tolerance, what);
    }
    await sequence.forwardTree(tokens, parents);
    const path = pathTo(tokens.length - 1, parents);
    sequence.commitPath(path);
    expectLength(sequence, prefix.length + path.length, "commitPath");
    const kept = [...prefix, ...path.map((i) => tokens[i])];
    const fresh = await model.open();
    try {
      const expected = await fresh.forward([...kept, ids[0]], { rows: "last" });
      const actual = await sequence.forward([ids[0]]);
      expectEqual(row(actual, 0), row(expected, 0), tolerance, "the row after commitPath");
    } finally {
      fresh.dispose();
    }
  } finally {
    sequence.dispose();
  }
}

function pathTo(node: number, parents: readonly number[]): number[] {
  const path: number[] = [];
  for (let at = node; at >= 0; at = parents[at]) path.unshift(at);
  return path;
}

async function expectNext(
  sequence: Sequence,
  ids: readonly number[],
  at: number,
  whole: Matrix,
  tolerance: number,
  after: string,
): Promise<void> {
  const next = await sequence.forward([ids[at]]);
  expectEqual(row(next, 0), row(whole, at), tolerance, `row ${at} after ${after}`);
}

function expectUsable(logits: Matrix): void {
  for (let i = 0; i < logits.rows; i++) {
    const values = row(logits, i);
    const bad = values.find((logit) => Number.isNaN(logit) || logit === Infinity);
    if (bad !== undefined) throw fail(`row ${i} holds ${bad}`);
    if (values.every((logit) => logit === -Infinity)) throw fail(`row ${i} is all -Infinity`);
  }
}

function expectLength(sequence: Sequence, length: number, after: string): void {
  if (sequence.length !== length) {
    throw fail(`length after ${after} must be ${length}, got ${sequence.length}`);
  }
}

function expectEqual(
  actual: Float32Array,
  expected: Float32Array,
  tolerance: number,
  what: string,
): void {
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] === expected[i]) continue;
    const difference = Math.abs(actual[i] - expected[i]);
    if (!(difference <= tolerance)) {
      throw fail(`${what} differs by ${difference} at token ${i} (tolerance ${tolerance})`);
    }
  }
}

function fail(message: string): Error {
  return new Error(`modelLaws: ${message}`);
}
