import { createRng, probabilityOf, totalVariation } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  chain,
  type DraftTree,
  sampleWithoutReplacement,
  specInfer,
  speculativeSampling,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import {
  constantPair,
  dense,
  drawTree,
  dyadic,
  expectedTokens,
  lawError,
  shapes,
  sparse,
  toy3,
} from "./drawn-trees.ts";

const star = (tokens: number[]): DraftTree => ({
  ...chain(
    tokens,
    tokens.map(() => 1),
  ),
  parents: Int32Array.from(tokens, () => -1),
});

/** How often a child of the root is kept, and the law of the first token, for p = (.5, .3, .2). */
async function firstToken(tree: DraftTree): Promise<{ kept: number; law: number[] }> {
  const p = dense([0.5, 0.3, 0.2]);
  const outcomes = await exactLaw((key) => {
    const { path, next } = specInfer.verify(tree, () => p, 0, key);
    return [path.length, path.length === 0 ? next : tree.tokens[path[0]]];
  });
  let kept = 0;
  const law = [0, 0, 0];
  for (const [outcome, mass] of outcomes) {
    const [length, token] = outcome.split(",").map(Number);
    kept += length * mass;
    law[token] += mass;
  }
  return { kept, law };
}

// Baselines, V2: acceptance of k independent siblings.
test.each([
  [
    [0.5, 0.3, 0.2],
    [0.2, 0.5, 0.3],
    [0.7, 0.76, 0.808],
  ],
  [
    [0.1, 0.2, 0.3, 0.4],
    [0.4, 0.3, 0.2, 0.1],
    [3 / 5, 18 / 25, 96 / 125, 989 / 1250],
  ],
  [
    [0.5, 0.3, 0.2],
    [0.9, 0.1, 0],
    [0.6, 0.64, 0.676],
  ],
])("acceptance of k siblings, p = %o, q = %o", async (p, q, expected) => {
  for (const form of [dense, sparse]) {
    const pair = { ...constantPair(form(p), sparse(q)), vocabSize: p.length };
    for (const [i, acceptance] of expected.entries()) {
      expect(await expectedTokens(specInfer, pair, [i + 1])).toBeCloseTo(1 + acceptance, 6);
      expect(await lawError(specInfer, pair, [i + 1])).toBeLessThan(1e-7);
    }
  }
});

test("acceptance grows with the number of siblings", async () => {
  let last = 0;
  for (let k = 1; k <= 5; k++) {
    const tokens = await expectedTokens(specInfer, dyadic, [k]);
    expect(tokens).toBeGreaterThan(last);
    last = tokens;
  }
});

test("TOY3, (2, 1): 2.292 tokens a round", async () => {
  expect(await expectedTokens(specInfer, toy3, [2, 1])).toBeCloseTo(2.292, 6);
});

test.each(shapes.map((shape) => [shape]))("the law of shape %o is the target's", async (shape) => {
  expect(await lawError(specInfer, dyadic, shape)).toBeLessThan(1e-9);
});

describe("trees of chosen tokens", () => {
  // Baselines, V4: acceptance is the mass of the children, [0]: .5, [0, 1]: .8.
  test.each([
    [[0], 0.5],
    [[0, 1], 0.8],
  ])("children %o are accepted %f of the time, the law stays p", async (tokens, acceptance) => {
    const { kept, law } = await firstToken(star(tokens));
    expect(kept).toBeCloseTo(acceptance, 6);
    [0.5, 0.3, 0.2].forEach((mass, id) => expect(law[id]).toBeCloseTo(mass, 6));
  });
});

describe("what a drafter must not do", () => {
  const q = sparse([0.2, 0.5, 0.3]);

  // Baselines, V4.
  test("likeliest tokens with the law as if they were drawn: (.4, .6, 0)", async () => {
    const { law } = await firstToken({ ...star([1, 2]), laws: [q, q] });
    [0.4, 0.6, 0].forEach((mass, id) => expect(law[id]).toBeCloseTo(mass, 6));
  });

  // DySpec: of two siblings drawn without replacement only the likelier is kept. TV 57 / 280.
  test("drawn siblings dropped by their probability: (.3893, .5036, .1071)", async () => {
    const law = [0, 0, 0];
    const drawn = await exactLaw((key) => {
      const { tokens } = sampleWithoutReplacement(q, 2, 3, key.at(0, "draft"));
      return tokens.toSorted((a, b) => probabilityOf(q, b) - probabilityOf(q, a))[0];
    });
    for (const [token, mass] of drawn) {
      const kept = await firstToken({ ...star([Number(token)]), laws: [q] });
      kept.law.forEach((share, id) => (law[id] += mass * share));
    }
    [0.3893, 0.5036, 0.1071].forEach((mass, id) => expect(law[id]).toBeCloseTo(mass, 4));
    expect(totalVariation(law, [0.5, 0.3, 0.2])).toBeCloseTo(57 / 280, 6);
  });
});

describe("limits", () => {
  test("equal laws accept everything, disjoint ones nothing", async () => {
    const p = dense([0.5, 0.25, 0.25, 0]);
    expect(await expectedTokens(specInfer, constantPair(p, p), [2, 1])).toBe(3);
    const far = constantPair(p, sparse([0, 0, 0, 1]));
    expect(await expectedTokens(specInfer, far, [2, 1])).toBe(1);
    expect(await lawError(specInfer, far, [2])).toBeLessThan(1e-9);
  });

  test("a chain is verified as by speculative sampling, draw for draw", () => {
    for (let seed = 0; seed < 200; seed++) {
      const key = createRng(seed);
      const tree = drawTree(key, toy3, [1, 1, 1], "independent");
      const target = (node: number) => toy3.p(node < 0 ? -1 : tree.tokens[node]);
      const verdict = specInfer.verify(tree, target, 0, key);
      expect(verdict).toEqual(speculativeSampling.verify(tree, target, 0, key));
    }
  });

  test("a token that its law excludes is an error", () => {
    const tree = chain([2], [1], [sparse([0.5, 0.5, 0])]);
    expect(() => specInfer.verify(tree, () => dense([0, 0, 1]), 0, createRng(1))).toThrow(
      "verify: token 2 of node 0 was drafted with probability 0",
    );
  });
});
