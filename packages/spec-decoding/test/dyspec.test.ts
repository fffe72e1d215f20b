import { createRng, type Distribution, type RngKey } from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import {
  Calibration,
  chain,
  type ChildChoice,
  createDySpec,
  drawnChildren,
  type DraftTree,
  growTree,
  growTreeLayered,
  likeliestChildren,
  observeSlots,
  sampleAndMatch,
  withoutToken,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { law, verifyDrawn } from "./reference-verifier.ts";
import { ask, chiSquareZ, finish, randomRows } from "./support.ts";
import { draftRows, targetRows, toyDraft, twoTokenLaw } from "./toy3.ts";

const emptyContext = 3;
const q = (path: ArrayLike<number>): Distribution =>
  law(draftRows[path.length === 0 ? emptyContext : path[path.length - 1]].slice(0, 3));
const p = (token: number | undefined): number[] => targetRows[token ?? emptyContext].slice(0, 3);
const targetOf =
  (tree: DraftTree) =>
  (node: number): number[] =>
    p(node < 0 ? undefined : tree.tokens[node]);

/** Draws what it is told. */
function scripted(tokens: number[]): ChildChoice {
  return { drawn: true, next: () => tokens.shift() ?? -1 };
}

/** Path products of the confidences: node values where R(y) is the acceptance. */
function values(tree: DraftTree): number[] {
  const products: number[] = [];
  tree.parents.forEach((parent, i) =>
    products.push(tree.confidences[i] * (parent < 0 ? 1 : products[parent])),
  );
  return products;
}

describe("vectors of the spec", () => {
  test("argmax, six nodes: pops in order", async () => {
    const tree = await growTree(q([]), q, likeliestChildren, { maxNodes: 6 });
    // ((), 1) ((), 2) ((1), 0) ((2), 1) ((1, 0), 2) ((2, 1), 0) of values .5 .3 .3 .21 .12 .126.
    expect([...tree.tokens]).toEqual([1, 2, 0, 1, 2, 0]);
    expect([...tree.parents]).toEqual([-1, -1, 0, 1, 2, 3]);
    const expected = [0.5, 0.3, 0.3, 0.21, 0.12, 0.126];
    values(tree).forEach((value, i) => expect(value).toBeCloseTo(expected[i], 7));
    // Slot values: 1 .5 .5 .3 .3 .21 - the node above it, less what its earlier siblings took.
    const slots = [1, 1 - 0.5, 0.5, 0.3, 0.3, 0.21];
    expect(slots).toEqual(slots.toSorted((a, b) => b - a));
    expect(tree.laws).toEqual([null, null, null, null, null, null]);
  });

  test("drawn 1, 0, 0, 2: each child keeps what it was drawn from", async () => {
    const tree = await growTree(q([]), q, scripted([1, 0, 0, 2]), { maxNodes: 4 });
    expect([...tree.tokens]).toEqual([1, 0, 0, 2]);
    expect([...tree.parents]).toEqual([-1, -1, 0, -1]);
    const rests = [
      [0.2, 0.5, 0.3],
      [0.4, 0, 0.6],
      [0.6, 0.2, 0.2],
      [0, 0, 1],
    ];
    tree.laws.forEach((given, i) => {
      const dense = [0, 0, 0];
      given?.probs.forEach((mass, j) => (dense[given.ids === null ? j : given.ids[j]] = mass));
      dense.forEach((mass, id) => expect(mass).toBeCloseTo(rests[i][id], 6));
    });
    [0.5, 0.2, 0.3, 0.3].forEach((value, i) => expect(values(tree)[i]).toBeCloseTo(value, 6));
  });

  test.each([
    [0.3, 5],
    [0.2, 9],
  ])("threshold %f: %i nodes in 3 calls of the draft", async (threshold, nodes) => {
    let calls = 1;
    const tree = await growTreeLayered(
      q([]),
      async (paths) => {
        calls++;
        return paths.map(q);
      },
      likeliestChildren,
      { threshold, maxNodes: 64 },
    );
    expect(tree.tokens).toHaveLength(nodes);
    expect(calls).toBe(3);
  });

  test.each([
    [1, 17 / 10],
    [2, 633 / 350],
    [3, 717 / 350],
    [4, 1467 / 700],
  ])("drawn, %i nodes: expected tokens and law", async (maxNodes, expected) => {
    const run = async (key: RngKey) => {
      const tree = await growTree(q([]), q, drawnChildren(key.at(0, "draft")), { maxNodes });
      const { path, next } = verifyDrawn(tree, targetOf(tree), key);
      return [...path.map((node) => tree.tokens[node]), next];
    };
    expect(await meanLength(run)).toBeCloseTo(expected, 6);
    await expectTargetLaw(run);
  });

  test.each([
    [1, 13 / 10],
    [2, 3 / 2],
    [3, 81 / 50],
    [4, 167 / 100],
  ])("argmax, %i nodes: expected tokens and law", async (maxNodes, expected) => {
    const tree = await growTree(q([]), q, likeliestChildren, { maxNodes });
    const run = (key: RngKey) => {
      const target = (node: number) => law(targetOf(tree)(node));
      const { path, next } = sampleAndMatch.verify(tree, target, 0, key);
      return [...path.map((node) => tree.tokens[node]), next];
    };
    expect(await meanLength(run)).toBeCloseTo(expected, 6);
    await expectTargetLaw(run, 6);
  });
});

async function meanLength(run: (key: RngKey) => Promise<number[]> | number[]): Promise<number> {
  let mean = 0;
  for (const [length, mass] of await exactLaw(async (key) => (await run(key)).length)) {
    mean += Number(length) * mass;
  }
  return mean;
}

/** Two tokens, the second completed with p where a round gave one. @param digits 9, or what laws in float32 allow. */
async function expectTargetLaw(
  run: (key: RngKey) => Promise<number[]> | number[],
  digits = 9,
): Promise<void> {
  const found = await exactLaw(async (key) => {
    const tokens = await run(key);
    if (tokens.length < 2) tokens.push(key.at(99, "sample").categorical(p(tokens[0])));
    return tokens.slice(0, 2);
  });
  for (const [tokens, mass] of Object.entries(twoTokenLaw)) {
    expect(found.get(tokens)).toBeCloseTo(mass, digits);
  }
}

describe("exactness", () => {
  test("calibrated and layered trees keep the law, by enumeration to 1e-9", async () => {
    const calibration = new Calibration();
    for (let i = 0; i < 50; i++) calibration.count(0.3, true);
    expect.hasAssertions();
    await expectTargetLaw(async (key) => {
      const choice = drawnChildren(key.at(0, "draft"));
      const tree = await growTree(q([]), q, choice, { maxNodes: 4 }, calibration);
      const { path, next } = verifyDrawn(tree, targetOf(tree), key);
      return [...path.map((node) => tree.tokens[node]), next];
    });
    await expectTargetLaw(async (key) => {
      const choice = drawnChildren(key.at(0, "draft"));
      const expand = async (paths: readonly Int32Array[]) => paths.map(q);
      const tree = await growTreeLayered(q([]), expand, choice, { threshold: 0.4 });
      const { path, next } = verifyDrawn(tree, targetOf(tree), key);
      return [...path.map((node) => tree.tokens[node]), next];
    });
  });

  test("noise of a position that two rounds share bends the law; noise of the round does not", async () => {
    // Whether the root gets a second child depends on the draw below the first, and with it whether the round ends before the second token.
    const draftAfter = [
      [0.6, 0.3, 0.1],
      [0.1, 0.1, 0.8],
      [0.1, 0.8, 0.1],
      [0.55, 0.3, 0.15],
    ];
    const targetAfter = [
      [0.4, 0.4, 0.2],
      [0.6, 0.2, 0.2],
      [0.6, 0.2, 0.2],
      [0.1, 0.6, 0.3],
    ];
    const twoRounds = (shared: boolean) => async (key: RngKey) => {
      const tokens: number[] = [];
      while (tokens.length < 2) {
        const start = tokens.length;
        const root = tokens.at(-1) ?? emptyContext;
        const after = (path: Int32Array) => law(draftAfter[path.at(-1) ?? root]);
        const ofDepth = [1, 2, 3].map((depth) => drawnChildren(key.at(start + depth, "draft")));
        const choice: ChildChoice = shared
          ? { drawn: true, next: (rest, depth) => ofDepth[depth - 1].next(rest, depth) }
          : drawnChildren(key.at(start + 1, "draft"));
        // oxlint-disable-next-line no-await-in-loop -- rounds follow one another
        const tree = await growTree(after(new Int32Array(0)), after, choice, { maxNodes: 3 });
        const target = (node: number) => targetAfter[node < 0 ? root : tree.tokens[node]];
        const { path, next } = verifyDrawn(tree, target, key, start + 1);
        tokens.push(...path.map((node) => tree.tokens[node]), next);
      }
      return tokens.slice(0, 2);
    };
    const distance = async (shared: boolean): Promise<number> => {
      const found = await exactLaw(twoRounds(shared));
      let most = 0;
      for (let a = 0; a < 3; a++) {
        for (let b = 0; b < 3; b++) {
          const mass = targetAfter[emptyContext][a] * targetAfter[a][b];
          most = Math.max(most, Math.abs((found.get(`${a},${b}`) ?? 0) - mass));
        }
      }
      return most;
    };
    expect(await distance(false)).toBeLessThan(1e-9);
    expect(await distance(true)).toBeGreaterThan(1e-3);
  });

  test("chi-square at a vocabulary of 64 (p > 1e-3)", async () => {
    const size = 64;
    const target = randomRows(size, 1);
    const draft = randomRows(size, 2).map((row, i) =>
      row.map((mass, j) => (mass + target[i][j]) / 2),
    );
    const key = createRng(5);
    const counts = new Float64Array(size);
    const rounds = 20_000;
    for (let t = 0; t < rounds; t++) {
      const expand = (path: Int32Array) => law(draft[path[path.length - 1]]);
      const choice = drawnChildren(key.at(100 * t, "draft"));
      // oxlint-disable-next-line no-await-in-loop -- one round after the other
      const tree = await growTree(law(draft[0]), expand, choice, { maxNodes: 4 });
      const at = (node: number) => target[node < 0 ? 0 : tree.tokens[node]];
      const { path, next } = verifyDrawn(tree, at, key, 100 * t);
      counts[path.length > 0 ? tree.tokens[path[0]] : next]++;
    }
    expect(chiSquareZ(counts, target[0], rounds)).toBeLessThan(3.09);
  });
});

describe("growth", () => {
  test("the draft is asked only for slots that are opened", async () => {
    let asked = 0;
    const expand = (path: Int32Array) => {
      asked++;
      return q(path);
    };
    await growTree(q([]), expand, likeliestChildren, { maxNodes: 6 });
    // Inner nodes are (1), (2), (1, 0) and (2, 1); the leaves were never asked for.
    expect(asked).toBe(4);
  });

  test("ends where laws are used up and at the depth", async () => {
    const one = law([0, 1, 0]);
    const tree = await growTree(one, () => one, likeliestChildren, { maxNodes: 9, maxDepth: 3 });
    expect([...tree.tokens]).toEqual([1, 1, 1]);
    expect(withoutToken(one, 1)).toBeNull();
    expect(withoutToken(law([0.5, 0.25, 0.25]), 0)).toEqual({
      ids: null,
      probs: Float32Array.of(0, 0.5, 0.5),
    });
  });

  test("calibration counts siblings up to the accepted one, by R(y)", () => {
    const calibration = new Calibration();
    const tree = { ...chain([0, 1, 2], [0.5, 0.3, 0.2]), parents: Int32Array.of(-1, -1, -1) };
    for (let i = 0; i < 400; i++) observeSlots(calibration, tree, [1]);
    expect(calibration.probability(0.5)).toBeLessThan(0.01);
    // .3 / (1 - .5) = .6; the third was not tested.
    expect(calibration.probability(0.6)).toBeGreaterThan(0.98);
    expect(calibration.probability(0.999)).toBeCloseTo(0.975, 12);
  });

  test("errors", async () => {
    await expect(growTree(q([]), q, likeliestChildren, { maxNodes: 0 })).rejects.toThrow(
      "growTree: maxNodes: ",
    );
    await expect(createDySpec(toyDraft(), { maxDepth: 0 })).rejects.toThrow(
      "createDySpec: maxDepth: ",
    );
  });
});

describe("createDySpec", () => {
  test("greedy: likeliest tokens below likeliest tokens", async () => {
    const drafter = await createDySpec(toyDraft(), { calibration: null });
    const tree = await drafter.propose(ask([3], 6));
    expect([...tree.tokens]).toEqual([1, 2, 0, 1, 2, 0]);
    drafter.dispose();
  });

  test("optimal at a temperature: laws are given", async () => {
    const sampling = { temperature: 1 };
    const drafter = await createDySpec(toyDraft(), { sampling, coupling: "optimal" });
    const tree = await drafter.propose(ask([3], 5));
    expect(tree.tokens).toHaveLength(5);
    expect(tree.laws.every((given) => given !== null)).toBe(true);
  });

  test("nothing beyond the draft's context", async () => {
    const drafter = await createDySpec(tableModel(draftRows, { contextLength: 2 }));
    expect((await drafter.propose(ask([3, 0], 9))).parents.every((parent) => parent < 0)).toBe(
      true,
    );
    expect((await drafter.propose(ask([3, 0, 1], 9))).tokens).toHaveLength(0);
  });

  test.each([{}, { temperature: 0.8 }])(
    "seeded: the text of a seed is that of plain sampling (%o)",
    async (sampling) => {
      const rows = randomRows(24, 1);
      const draft = tableModel(
        randomRows(24, 2).map((row, i) => row.map((mass, j) => (mass + 2 * rows[i][j]) / 3)),
      );
      const common = { key: createRng(3), maxTokens: 80, sampling };
      const plain = await finish(tableModel(rows), [3, 1], common);
      const drafter = await createDySpec(draft, { sampling });
      const drafted = await finish(tableModel(rows), [3, 1], {
        ...common,
        drafter,
        numSpeculativeTokens: 12,
      });
      expect(drafted.summary.ids).toEqual(plain.summary.ids);
      expect(drafted.summary.statistics.meanAcceptanceLength).toBeGreaterThan(2);
      expect(drafted.summary.statistics.undraftedRounds).toBe(0);
    },
  );
});
