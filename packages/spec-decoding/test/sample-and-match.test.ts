import { createRng, processLogits, resolveSampling, topK } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import { chain, type DraftTree, sampleAndMatch } from "@veridraft/spec-decoding";
import { expect, test } from "vitest";
import { chiSquareZ } from "./support.ts";

const p = { ids: null, probs: Float32Array.of(0.5, 0.3, 0.2) };

function star(tokens: number[]): DraftTree {
  return {
    ...chain(
      tokens,
      tokens.map(() => 1),
    ),
    parents: Int32Array.from(tokens, () => -1),
  };
}

// Acceptance is the sum of p over the children: [0] .5, [0, 1] .8 (baselines, V4).
test.each([
  [[0], 0.5],
  [[0, 1], 0.8],
  [[0, 1, 2], 1],
  [[2, 2], 0.2],
])("children %o are accepted %f of the time, the law stays p", async (tokens, acceptance) => {
  const tree = star(tokens);
  const law = await exactLaw((key) => {
    const { path, next } = sampleAndMatch.verify(tree, () => p, 0, key);
    return [path.length, path.length === 0 ? next : tree.tokens[path[0]]];
  });
  let accepted = 0;
  const marginal = [0, 0, 0];
  for (const [outcome, mass] of law) {
    const [length, token] = outcome.split(",").map(Number);
    accepted += length * mass;
    marginal[token] += mass;
  }
  expect(accepted).toBeCloseTo(acceptance, 6);
  marginal.forEach((mass, id) => expect(mass).toBeCloseTo(p.probs[id], 6));
});

test("greedy walks the path of argmaxes (token recycling, test vector 2)", () => {
  const tree: DraftTree = {
    ...chain([1, 2, 3, 4, 0, 3, 2], [1, 1, 1, 1, 1, 1, 1]),
    parents: Int32Array.of(-1, -1, -1, 0, 0, 1, 3),
  };
  const argmaxes = [1, 4, 3, 2, 2, 5, 3, 5];
  const target = (node: number) => ({
    ids: Int32Array.of(argmaxes[node + 1]),
    probs: Float32Array.of(1),
  });
  const verdict = sampleAndMatch.verify(tree, target, 0, createRng(1));
  // Nodes [1, 4, 7] there count the root.
  expect(verdict).toEqual({ path: [0, 3, 6], next: 5 });
});

test("an empty tree emits one token", () => {
  const tree = chain([], []);
  const { path, next } = sampleAndMatch.verify(tree, () => p, 7, createRng(1));
  expect(path).toEqual([]);
  expect(next).toBe(sampleAndMatch.verify(star([0, 1, 2]), () => p, 7, createRng(1)).path[0]);
});

test("chi-square at a vocabulary of 49,152 (p > 1e-3)", () => {
  const noise = createRng(3).at(0, "draft");
  const logits = Float32Array.from({ length: 49_152 }, (_, id) => 8 * noise.uniform() - id / 9000);
  const law = processLogits(logits, resolveSampling({ temperature: 0.6 }), []);
  const tree = star([...topK(logits, 8)]);
  const cells = 48;
  const probs = new Float64Array(cells);
  law.probs.forEach((mass, id) => (probs[id % cells] += mass));
  const counts = new Float64Array(cells);
  const draws = 800;
  const key = createRng(12);
  for (let t = 0; t < draws; t++) {
    const { path, next } = sampleAndMatch.verify(tree, (node) => (node < 0 ? law : p), 10 * t, key);
    counts[(path.length > 0 ? tree.tokens[path[0]] : next) % cells]++;
  }
  expect(chiSquareZ(counts, probs, draws)).toBeLessThan(3.09);
});
