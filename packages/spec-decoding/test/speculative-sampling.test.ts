import {
  createRng,
  type Distribution,
  processLogits,
  resolveSampling,
  sample,
  totalVariation,
  truncateLaw,
} from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  chain,
  type DraftLaw,
  type DraftTree,
  speculativeSampling,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { chiSquareZ } from "./support.ts";
import { draftRows, targetRows, twoTokenLaw } from "./toy3.ts";

const dense = (probs: readonly number[]): Distribution => ({
  ids: null,
  probs: Float32Array.from(probs),
});
const sparse = (probs: readonly number[]): Distribution => {
  const ids = probs.map((_, id) => id).filter((id) => probs[id] > 0);
  return { ids: Int32Array.from(ids), probs: Float32Array.from(ids, (id) => probs[id]) };
};
const emptyContext = 3;

/** Drafts g tokens of TOY3 from q and verifies them; emits the tokens. */
function speculate(key: Parameters<Parameters<typeof exactLaw>[0]>[0], g: number): number[] {
  const tokens: number[] = [];
  const laws: DraftLaw[] = [];
  for (let i = 0; i < g; i++) {
    const law = sparse(draftRows[tokens.at(-1) ?? emptyContext]);
    tokens.push(sample(law, key.at(i, "draft")));
    laws.push(law);
  }
  const tree = chain(
    tokens,
    tokens.map(() => 1),
    laws,
  );
  const target = (node: number) => dense(targetRows[node < 0 ? emptyContext : tokens[node]]);
  const { path, next } = speculativeSampling.verify(tree, target, 0, key);
  return [...path.map((node) => tokens[node]), next];
}

describe("TOY3 of the baselines", () => {
  test.each([
    [1, 1.7],
    [2, 2.19],
    [3, 2.526],
  ])("g = %i emits %f tokens a round", async (g, expected) => {
    const lengths = await exactLaw((key) => speculate(key, g).length);
    let mean = 0;
    for (const [length, mass] of lengths) mean += Number(length) * mass;
    expect(mean).toBeCloseTo(expected, 6);
  });

  test.each([1, 2, 3])("g = %i: two tokens, completed with p, have the target law", async (g) => {
    const law = await exactLaw((key) => {
      const tokens = speculate(key, g);
      if (tokens.length < 2) tokens.push(sample(dense(targetRows[tokens[0]]), key.at(9, "sample")));
      return tokens.slice(0, 2);
    });
    for (const [tokens, mass] of Object.entries(twoTokenLaw))
      expect(law.get(tokens)).toBeCloseTo(mass, 6);
  });
});

const accepted = async (p: number[], q: number[]) =>
  (
    await exactLaw((key) => {
      const law = sparse(q);
      const tree = chain([sample(law, key.at(0, "draft"))], [1], [law]);
      return speculativeSampling.verify(tree, () => dense(p), 0, key).path.length;
    })
  ).get("1") ?? 0;

describe("limits", () => {
  test("acceptance is 1 - TV: all for equal laws, nothing for disjoint ones", async () => {
    const p = [0.5, 0.3, 0.2];
    expect(await accepted(p, p)).toBeCloseTo(1, 6);
    expect(await accepted([1, 0, 0], [0, 0.5, 0.5])).toBe(0);
    const q = [0.1, 0.2, 0.7];
    expect(await accepted(p, q)).toBeCloseTo(1 - totalVariation(p, q), 6);
  });
});

describe("trees of chosen tokens", () => {
  const tree: DraftTree = { ...chain([0, 1], [1, 1]), parents: Int32Array.of(-1, -1) };

  test("acceptance is the mass of the children: .8 for [0, 1]", async () => {
    const law = await exactLaw((key) => {
      const { path, next } = speculativeSampling.verify(tree, () => dense([0.5, 0.3, 0.2]), 0, key);
      return path.length === 0 ? next : tree.tokens[path[0]];
    });
    [0.5, 0.3, 0.2].forEach((mass, id) => expect(law.get(String(id))).toBeCloseTo(mass, 6));
  });

  test("drawn siblings and impossible drafts are errors", () => {
    const law = sparse([0.5, 0.5, 0]);
    const key = createRng(1);
    const siblings = { ...tree, laws: [law, law] };
    expect(() => speculativeSampling.verify(siblings, () => law, 0, key)).toThrow(
      "speculativeSampling: node -1 has 2 drawn children, at most 1 can be tested; use specInfer or traversalVerification",
    );
    expect(() => speculativeSampling.verify(chain([2], [1], [law]), () => law, 0, key)).toThrow(
      "verify: token 2 of node 0 was drafted with probability 0",
    );
  });
});

test("chi-square at a vocabulary of 49,152 (p > 1e-3)", () => {
  const vocabSize = 49_152;
  const noise = createRng(3).at(0, "draft");
  const logits = Float32Array.from(
    { length: vocabSize },
    (_, id) => 8 * noise.uniform() - id / 9000,
  );
  const shifted = logits.map((logit) => logit + noise.uniform() - 0.5);
  const sampling = resolveSampling({ temperature: 0.6 });
  const p = processLogits(logits, sampling, []);
  const q = truncateLaw(processLogits(shifted, sampling, []), 256);
  const cells = 48;
  const probs = new Float64Array(cells);
  p.probs.forEach((mass, id) => (probs[id % cells] += mass));
  const counts = new Float64Array(cells);
  const draws = 3000;
  const key = createRng(11);
  for (let t = 0; t < draws; t++) {
    const drafted = sample(q, key.at(t, "draft"));
    const { path, next } = speculativeSampling.verify(chain([drafted], [1], [q]), () => p, t, key);
    counts[(path.length > 0 ? drafted : next) % cells]++;
  }
  expect(chiSquareZ(counts, probs, draws)).toBeLessThan(3.09);
});
