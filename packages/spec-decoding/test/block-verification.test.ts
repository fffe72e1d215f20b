import {
  createRng,
  type Distribution,
  probabilityOf,
  sample,
  softmax,
} from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  blockVerification,
  chain,
  speculativeSampling,
  type Verifier,
} from "@veridraft/spec-decoding";
import { expect, test } from "vitest";
import {
  constantPair,
  dense,
  drawTree,
  dyadic,
  expectedTokens,
  lawError,
  toy3,
} from "./drawn-trees.ts";

// Baselines, V6.
test.each([
  [1, 1.7, 1.7],
  [2, 2.26, 2.19],
  [3, 2.716, 2.526],
])("TOY3, g = %i: %f tokens a round, %f by speculative sampling", async (g, block, tokenWise) => {
  const widths = Array.from({ length: g }, () => 1);
  expect(await expectedTokens(blockVerification, toy3, widths)).toBeCloseTo(block, 6);
  expect(await expectedTokens(speculativeSampling, toy3, widths)).toBeCloseTo(tokenWise, 6);
});

test.each([1, 2, 3])("g = %i: the law is the target's", async (g) => {
  const widths = Array.from({ length: g }, () => 1);
  expect(await lawError(blockVerification, dyadic, widths)).toBeLessThan(1e-9);
});

test("tau has the law of the paper's formulas", async () => {
  // For each drawn chain: P_i, S_i and h_i as the module comment gives them, tau = the largest i that passes its own test.
  const paper = new Map<string, number>();
  const draws = await exactLaw((key) => [
    ...drawTree(key, dyadic, [1, 1, 1], "independent").tokens,
  ]);
  for (const [name, mass] of draws) {
    const tokens = name.split(",").map(Number);
    const g = tokens.length;
    const before = [-1, ...tokens];
    const kept = [1];
    tokens.forEach((x, i) => {
      const ratio = probabilityOf(dyadic.p(before[i]), x) / probabilityOf(dyadic.q(before[i]), x);
      kept.push(Math.min(1, kept[i] * ratio));
    });
    const passes = kept.map((keep, i) => {
      if (i === g) return keep;
      let left = 0;
      for (let id = 0; id < 3; id++) {
        const p = probabilityOf(dyadic.p(before[i]), id);
        left += Math.max(0, keep * p - probabilityOf(dyadic.q(before[i]), id));
      }
      return left / (left + 1 - keep);
    });
    let failed = 1;
    for (let i = g; i >= 0; i--) {
      const chance = i === 0 ? 1 : passes[i];
      const outcome = `${name}: ${i}`;
      paper.set(outcome, (paper.get(outcome) ?? 0) + mass * failed * chance);
      failed *= 1 - chance;
    }
  }
  const ours = await exactLaw((key) => {
    const tree = drawTree(key, dyadic, [1, 1, 1], "independent");
    const target = (node: number) => dyadic.p(node < 0 ? -1 : tree.tokens[node]);
    return `${tree.tokens.join(",")}: ${blockVerification.verify(tree, target, 0, key).path.length}`;
  });
  for (const [outcome, mass] of paper) expect(ours.get(outcome) ?? 0).toBeCloseTo(mass, 12);
});

test("gains nothing where the target is greedy", async () => {
  const pair = constantPair(dense([0, 1, 0]), dense([0.25, 0.5, 0.25]));
  const block = await expectedTokens(blockVerification, pair, [1, 1]);
  expect(block).toBeCloseTo(await expectedTokens(speculativeSampling, pair, [1, 1]), 12);
});

test("a branching tree is an error", () => {
  const tree = { ...chain([0, 1], [1, 1]), parents: Int32Array.of(-1, -1) };
  expect(() => blockVerification.verify(tree, () => dense([1]), 0, createRng(1))).toThrow(
    "blockVerification: a tree of 2 nodes branches; use traversalVerification",
  );
});

// Baselines, V6: 64 tokens, laws by the last two of them, logits 3 N(0, 1), draft logits + N(0, 1) (acceptance .71); 20,000 rounds there, +- .06.
test.each([
  [8, 3.96, 3.3],
  [16, 4.75, 3.49],
])(
  "synthetic pair, g = %i: %f tokens a round, %f by speculative sampling",
  (g, block, tokenWise) => {
    const size = 64;
    const contexts = new Map<number, { p: Distribution; q: Distribution }>();
    const after = (tokens: readonly number[]) => {
      const context = tokens[tokens.length - 2] * size + tokens[tokens.length - 1];
      let laws = contexts.get(context);
      if (!laws) {
        const rng = createRng(context).at(0, "draft");
        const normal = () =>
          Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform());
        const logits = Float32Array.from({ length: size }, () => 3 * normal());
        const shifted = logits.map((logit) => logit + normal());
        laws = { p: dense(softmax(logits)), q: dense(softmax(shifted)) };
        contexts.set(context, laws);
      }
      return laws;
    };
    const rounds = 6000;
    const tokensPerRound = (verifier: Verifier): number => {
      const text = [0, 0];
      for (let round = 0; round < rounds; round++) {
        const key = createRng(round);
        const draws = key.at(0, "draft");
        const drafted: number[] = [];
        const laws: Distribution[] = [];
        while (drafted.length < g) {
          laws.push(after([...text.slice(-2), ...drafted]).q);
          drafted.push(sample(laws[laws.length - 1], draws));
        }
        const tree = chain(
          drafted,
          drafted.map(() => 1),
          laws,
        );
        const target = (node: number) =>
          after([...text.slice(-2), ...drafted.slice(0, node + 1)]).p;
        const { path, next } = verifier.verify(tree, target, 0, key);
        text.push(...path.map((node) => drafted[node]), next);
      }
      return (text.length - 2) / rounds;
    };
    expect(Math.abs(tokensPerRound(blockVerification) - block)).toBeLessThan(0.15);
    expect(Math.abs(tokensPerRound(speculativeSampling) - tokenWise)).toBeLessThan(0.15);
  },
);
