import { createRng, type Distribution, type RngKey } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  bestFirstTree,
  Calibration,
  chain,
  type ChildChoice,
  chooseTree,
  drawnChildren,
  type DraftTree,
  fillTree,
  growTree,
  leafPaths,
  likeliestChildren,
  observeSlots,
  RankAcceptance,
  sequoiaTree,
  treeDepths,
  treeFromChildCounts,
  treeMask,
  type TreeTemplate,
  treeValue,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { law, verifyDrawn } from "./reference-verifier.ts";
import { draftRows, targetRows, twoTokenLaw } from "./toy3.ts";

const worked = [0.6, 0.2, 0.1];

describe("vectors of the baselines", () => {
  test.each([
    [1, 1.6],
    [2, 1.96],
    [3, 2.176],
    [4, 2.376],
    [5, 2.5056],
    [6, 2.6256],
    [7, 2.7456],
  ])("%i nodes are worth %f tokens", (nodes, value) => {
    expect(treeValue(sequoiaTree(worked, nodes), worked)).toBeCloseTo(value, 12);
    expect(treeValue(bestFirstTree(worked, nodes), worked)).toBeCloseTo(value, 12);
  });

  test("three nodes are a chain; the fourth is the second child of the root", () => {
    expect([...sequoiaTree(worked, 3).parents]).toEqual([-1, 0, 1]);
    const four = sequoiaTree(worked, 4);
    expect([...four.parents]).toEqual([-1, 0, 1, -1]);
    expect([...four.ranks]).toEqual([0, 0, 0, 1]);
    const shape: DraftTree = { ...chain([0, 0, 0, 1], [1, 1, 1, 1]), parents: four.parents };
    expect([...treeDepths(shape)]).toEqual([1, 2, 3, 1]);
    expect(leafPaths(shape)).toEqual([[0, 1, 2], [3]]);
    const mask = treeMask(shape);
    const rows = Array.from({ length: 5 }, (_, i) => mask.slice(5 * i, 5 * i + 5).join(""));
    expect(rows.join(" ")).toBe("10000 11000 11100 11110 10001");
  });
});

test("best first and the dynamic program agree where rates do not increase", () => {
  const rates = fc
    .array(fc.double({ min: 0.01, max: 0.99, noNaN: true }), { minLength: 1, maxLength: 5 })
    .map((list) => list.toSorted((a, b) => b - a));
  fc.assert(
    fc.property(
      rates,
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 6 }),
      (f, n, d) => {
        const program = treeValue(sequoiaTree(f, n, d), f);
        expect(treeValue(bestFirstTree(f, n, d), f)).toBeCloseTo(program, 10);
      },
    ),
  );
});

/** Every tree of `nodes` nodes and two ranks, by adding a node after the last one. */
function allTrees(nodes: number): TreeTemplate[] {
  let trees: { parents: number[]; ranks: number[] }[] = [{ parents: [], ranks: [] }];
  for (let size = 0; size < nodes; size++) {
    trees = trees.flatMap(({ parents, ranks }) =>
      Array.from({ length: size + 1 }, (_, i) => i - 1).flatMap((parent) => {
        const rank = parents.filter((other) => other === parent).length;
        return rank < 2 ? [{ parents: [...parents, parent], ranks: [...ranks, rank] }] : [];
      }),
    );
  }
  return trees.map(({ parents, ranks }) => ({
    parents: Int32Array.from(parents),
    ranks: Int32Array.from(ranks),
  }));
}

test("the dynamic program is the best of all trees, for any rates", () => {
  for (const rates of [
    [0.1, 0.9],
    [0.3, 0.5],
    [0.7, 0.2],
  ]) {
    const best = Math.max(...allTrees(5).map((tree) => treeValue(tree, rates)));
    expect(treeValue(sequoiaTree(rates, 5), rates)).toBeCloseTo(best, 12);
  }
});

test("the size that pays, by measured costs", () => {
  // Flat forwards and a free draft: everything. Steep ones: nothing beyond the free second row.
  const flat = [0, 10, 10, 10];
  expect(chooseTree(worked, 0, flat, 7).parents).toHaveLength(7);
  const steep = [0, 10, 10, 30, 50];
  expect(chooseTree(worked, 0, steep, 7).parents).toHaveLength(1);
  expect(chooseTree(worked, 100, steep, 7).parents).toHaveLength(0);
  // Levels cost, nodes do not: (3 + 10) / (1 + .6 + .2 + .1) = 6.84 beats (6 + 10) / 2.196 = 7.29.
  expect([...chooseTree(worked, 3, flat, 3).parents]).toEqual([-1, -1, -1]);
});

test("rates are counted by rank", () => {
  const counts = new RankAcceptance(2);
  const tree = { ...chain([0, 1, 2], [1, 1, 1]), parents: Int32Array.of(-1, -1, 1) };
  counts.observe(tree, [1]);
  counts.observe(tree, [0]);
  // Rank 0: root twice (accepted once), node 1 once (not). Rank 1: root twice, accepted once.
  expect([...counts.rates]).toEqual([1 / 3, 1 / 2]);
  expect(() => new RankAcceptance(0)).toThrow(
    "RankAcceptance: width must be an integer of at least 1",
  );
  expect(() => bestFirstTree([0.1, 0.2], 2)).toThrow("rates must not increase, got 0.2 after 0.1");
});

const q = (path: ArrayLike<number>) => law(draftRows[path[path.length - 1] ?? 3].slice(0, 3));

test("a filled template keeps the law of TOY3, by enumeration to 1e-9", async () => {
  const template = treeFromChildCounts([[2], [1, 0], [0]]);
  const found = await exactLaw(async (key: RngKey) => {
    const tree = await fillTree(template, q([]), q, drawnChildren(key.at(0, "draft")));
    const at = (node: number) => targetRows[node < 0 ? 3 : tree.tokens[node]].slice(0, 3);
    const { path, next } = verifyDrawn(tree, at, key);
    const tokens = [...path.map((node) => tree.tokens[node]), next];
    if (tokens.length < 2) tokens.push(key.at(9, "sample").categorical(targetRows[tokens[0]]));
    return tokens.slice(0, 2);
  });
  for (const [tokens, mass] of Object.entries(twoTokenLaw)) {
    expect(found.get(tokens)).toBeCloseTo(mass, 9);
  }
});

test("nodes below a law that is used up are left out", async () => {
  const one = law([0, 1]);
  const template = treeFromChildCounts([[2], [1, 1], [0, 0]]);
  const tree = await fillTree(template, one, () => one, likeliestChildren);
  expect([...tree.parents]).toEqual([-1, 0]);
});

/** The synthetic pair of the DySpec spec: V = 64, laws by the last two tokens, logits 3 N(0, 1), those of the draft with noise. */
class Pair {
  static readonly size = 64;
  readonly #laws = new Map<number, { target: number[]; draft: Distribution }>();
  readonly #sigma: number;
  readonly #greedy: boolean;

  constructor(sigma: number, greedy: boolean) {
    this.#sigma = sigma;
    this.#greedy = greedy;
  }

  after(context: readonly number[]): { target: number[]; draft: Distribution } {
    const place = Pair.size * context[context.length - 2] + context[context.length - 1];
    let laws = this.#laws.get(place);
    if (!laws) {
      const rng = createRng(77).at(place, "sample");
      const normal = () =>
        Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform());
      const logits = Array.from({ length: Pair.size }, () => 3 * normal());
      const noisy = logits.map((logit) => logit + this.#sigma * normal());
      const best = logits.indexOf(Math.max(...logits));
      const target = this.#greedy ? logits.map((_, id) => Number(id === best)) : softmax(logits);
      laws = { target, draft: law(softmax(noisy)) };
      this.#laws.set(place, laws);
    }
    return laws;
  }
}

function softmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - most));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

type Draft = (
  root: Distribution,
  expand: (path: Int32Array) => Distribution,
  choice: ChildChoice,
) => Promise<DraftTree>;

/** Tokens per call of the target; contexts start anew every four calls, as a greedy toy model falls into a cycle. */
async function tokensPerCall(
  pair: Pair,
  draft: Draft,
  observe: (tree: DraftTree, path: number[]) => void = () => {},
): Promise<number> {
  const key = createRng(9);
  const starts = createRng(10).at(0, "sample");
  const calls = 600;
  let text: number[] = [];
  let tokens = 0;
  for (let call = 0; call < calls; call++) {
    if (call % 4 === 0) text = [0, 0].map(() => Math.floor(Pair.size * starts.uniform()));
    const root = text;
    const expand = (path: Int32Array) => pair.after([...root, ...path]).draft;
    const choice = drawnChildren(key.at(20 * call, "draft"));
    // oxlint-disable-next-line no-await-in-loop -- one call after the other
    const tree = await draft(pair.after(root).draft, expand, choice);
    const paths: number[][] = [];
    tree.parents.forEach((parent, i) =>
      paths.push([...(parent < 0 ? [] : paths[parent]), tree.tokens[i]]),
    );
    const target = (node: number) => pair.after([...root, ...(paths[node] ?? [])]).target;
    const { path, next } = verifyDrawn(tree, target, key, 20 * call);
    observe(tree, path);
    text = [...root, ...(paths[path.at(-1) ?? -1] ?? []), next];
    tokens += path.length + 1;
  }
  return tokens / calls;
}

async function compare(pair: Pair) {
  const counts = new RankAcceptance(8);
  const wide = treeFromChildCounts([[8], [4, 2, 1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], [0]]);
  await tokensPerCall(
    pair,
    (root, expand, choice) => fillTree(wide, root, expand, choice),
    (tree, path) => counts.observe(tree, path),
  );
  const template = sequoiaTree(counts.rates, 16);
  const line = sequoiaTree([1], 16);
  const calibration = new Calibration();
  return {
    chain: await tokensPerCall(pair, (...given) => fillTree(line, ...given)),
    predicted: treeValue(template, counts.rates),
    sequoia: await tokensPerCall(pair, (...given) => fillTree(template, ...given)),
    dyspec: await tokensPerCall(pair, (...given) => growTree(...given, { maxNodes: 16 })),
    calibrated: await tokensPerCall(
      pair,
      (...given) => growTree(...given, { maxNodes: 16 }, calibration),
      (tree, path) => observeSlots(calibration, tree, path),
    ),
  };
}

describe("orders of the baselines (V = 64, 16 nodes, 600 calls, fixed seeds)", () => {
  test("temperature 1: Sequoia before the chain, its prediction within 3 %, DySpec behind unless calibrated", async () => {
    const {
      chain: line,
      predicted,
      sequoia,
      dyspec,
      calibrated,
    } = await compare(new Pair(1, false));
    expect(sequoia).toBeGreaterThan(line);
    expect(Math.abs(predicted / sequoia - 1)).toBeLessThan(0.03);
    expect(dyspec).toBeLessThan(0.85 * sequoia);
    expect(calibrated).toBeGreaterThan(1.1 * dyspec);
  });

  test("greedy target: DySpec before every fixed tree", async () => {
    const { chain: line, sequoia, dyspec } = await compare(new Pair(1, true));
    expect(sequoia).toBeGreaterThan(line);
    expect(dyspec).toBeGreaterThan(1.05 * sequoia);
  });
});
