/**
 * What a verdict costs beside the forward it judges: 16 drawn nodes, laws of 256 tokens, a target of 49,152 whose laws are given. Poor drafts, so
 * that most siblings are rejected; 20 rounds a run, so divide by 20. Under 5 % of a forward of 13 ms is .65 ms a round, 13 ms a run.
 */
import {
  createRng,
  processLogits,
  resolveSampling,
  sample,
  type Sampling,
  truncateLaw,
} from "@veridraft/core-probs";
import {
  blockVerification,
  type DraftTree,
  sampleWithoutReplacement,
  specInfer,
  speculativeSampling,
  traversalVerification,
  type Verifier,
} from "@veridraft/spec-decoding";
import { bench, describe } from "vitest";

const vocabSize = 49_152;
const rounds = 20;
const nodes = 16;
const noise = createRng(1).at(0, "draft");
const logits = Array.from({ length: nodes + 1 }, () =>
  Float32Array.from({ length: vocabSize }, (_, id) => 8 * noise.uniform() - id / 9000),
);
const q = logits.map((row) =>
  truncateLaw(
    processLogits(
      row.map((logit) => logit + 3 * noise.uniform()),
      resolveSampling({ temperature: 0.7 }),
      [],
    ),
    256,
  ),
);

/** Drawn trees of 16 nodes, each node of depth d with widths[d] children. */
function drawnTree(round: number, widths: readonly number[]): DraftTree {
  const rng = createRng(2).at(round, "draft");
  const tree = {
    tokens: [] as number[],
    parents: [] as number[],
    laws: [] as DraftTree["laws"][0][],
  };
  let level = [-1];
  for (const width of widths) {
    level = level.flatMap((parent) => {
      const siblings =
        width === 1
          ? { tokens: [sample(q[parent + 1], rng)], laws: [q[parent + 1]] }
          : sampleWithoutReplacement(q[parent + 1], width, vocabSize, rng);
      return siblings.tokens.map((token, i) => {
        tree.parents.push(parent);
        tree.laws.push(siblings.laws[i]);
        return tree.tokens.push(token) - 1;
      });
    });
  }
  return {
    tokens: Int32Array.from(tree.tokens),
    parents: Int32Array.from(tree.parents),
    laws: tree.laws,
    confidences: new Float32Array(nodes),
  };
}

const draw = (widths: readonly number[]) =>
  Array.from({ length: rounds }, (_, round) => drawnTree(round, widths));
const chains = draw(Array.from({ length: nodes }, () => 1));
const trees = draw([4, 3]);

const cases: [string, Verifier, DraftTree[]][] = [
  ["chain, speculative sampling", speculativeSampling, chains],
  ["chain, block", blockVerification, chains],
  ["tree 4 x 3, top-down", specInfer, trees],
  ["tree 4 x 3, traversal", traversalVerification, trees],
];
const samplings: Record<string, Partial<Sampling>> = {
  "dense target": { temperature: 0.7 },
  "target of topK 40, topP 0.9": { temperature: 0.7, topK: 40, topP: 0.9 },
};

describe.each(Object.keys(samplings))("%s", (kind) => {
  const p = logits.map((row) => processLogits(row, resolveSampling(samplings[kind]), []));
  for (const [name, verifier, drafts] of cases) {
    bench(name, () => {
      drafts.forEach((tree, i) =>
        verifier.verify(tree, (node) => p[node + 1], 100 * i, createRng(3)),
      );
    });
  }
});
