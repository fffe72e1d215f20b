import { createRng } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import {
  AdjacencyMatrix,
  Calibration,
  chain,
  createCombination,
  createFirstOf,
  createPromptLookup,
  createSuffixDrafter,
  createTokenRecycling,
  type Drafter,
  type DraftTree,
  emptyTree,
  mergeTrees,
  type Warn,
  pathTo,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ask, finish, fixedDrafter, randomRows } from "./support.ts";

const drawn = chain([1], [0.5], [{ ids: Int32Array.of(1, 2), probs: Float32Array.of(0.5, 0.5) }]);
const tree = (tokens: number[], parents: number[], confidences: number[]): DraftTree => ({
  tokens: Int32Array.from(tokens),
  parents: Int32Array.from(parents),
  laws: tokens.map(() => null),
  confidences: Float32Array.from(confidences),
});
const shape = ({ tokens, parents, confidences }: DraftTree) => [
  [...tokens],
  [...parents],
  [...confidences],
];

const paths = (of: DraftTree) =>
  Array.from(of.tokens, (_, i) =>
    pathTo(of, i)
      .map((node) => of.tokens[node])
      .join(),
  );

describe("mergeTrees", () => {
  const one = chain([1, 2, 3], [0.5, 0.5, 0.5]);
  const other = tree([1, 4, 2, 5], [-1, -1, 0, 0], [0.75, 0.25, 0.25, 0.5]);

  test("shared prefixes once, with the larger confidence", () => {
    expect(shape(mergeTrees([one, other]))).toEqual([
      [1, 2, 3, 4, 5],
      [-1, 0, 1, -1, 0],
      [0.75, 0.5, 0.5, 0.25, 0.5],
    ]);
    expect(shape(mergeTrees([one]))).toEqual(shape(one));
    expect(mergeTrees([])).toEqual(emptyTree);
  });

  // Path products .75, .375, .375, .25, .1875.
  test.each([
    [0, []],
    [1, [1]],
    [2, [1, 2]],
    [3, [1, 2, 5]],
    [4, [1, 2, 4, 5]],
  ])("a budget of %i keeps the largest path products", (budget, tokens) => {
    expect([...mergeTrees([one, other], budget).tokens]).toEqual(tokens);
  });

  test("the paths are those of the trees, each once", () => {
    const some = fc.array(
      fc.tuple(fc.nat(3), fc.nat(9), fc.float({ min: 0, max: 1, noNaN: true })),
    );
    const trees = fc.array(
      some.map((nodes) =>
        tree(
          nodes.map(([token]) => token),
          nodes.map(([, parent], i) => (parent % (i + 1)) - 1),
          nodes.map(([, , confidence]) => confidence),
        ),
      ),
    );
    fc.assert(
      fc.property(trees, (all) => {
        const merged = paths(mergeTrees(all));
        expect(new Set(merged).size).toBe(merged.length);
        expect(new Set(merged)).toEqual(new Set(all.flatMap(paths)));
      }),
    );
  });

  test("drawn nodes are refused", () => {
    expect(() => mergeTrees([one, drawn])).toThrow(
      'mergeTrees: a tree holds drawn tokens, only chosen ones can be merged; draft with the coupling "seeded"',
    );
  });
});

describe("createCombination", () => {
  test("tells each drafter what became of its own nodes", async () => {
    const first = Object.assign(fixedDrafter(chain([1, 2], [0.9, 0.9])), { successors: 1 });
    const second = Object.assign(fixedDrafter(tree([4, 1, 5], [-1, -1, 1], [0.9, 0.9, 0.9])), {
      successors: 2,
    });
    const both = createCombination([first, second]);
    expect(both.name).toBe("fixed+fixed");
    expect(both.successors).toBe(2);
    const proposal = await both.propose(ask([7], 9));
    expect([...proposal.tokens]).toEqual([1, 2, 4, 5]);
    expect([...proposal.parents]).toEqual([-1, 0, -1, 0]);
    // Verified without the 4; 1, 5 were accepted.
    const verified = tree([1, 2, 5], [-1, 0, 0], [0.9, 0.9, 0.9]);
    const successors = Int32Array.of(70, 71, 10, 11, 20, 21, 50, 51);
    both.observe({ tree: verified, path: [0, 2], successors });
    expect(first.observed).toMatchObject([{ tree: { tokens: Int32Array.of(1, 2) }, path: [0] }]);
    expect(second.observed).toMatchObject([
      { tree: { tokens: Int32Array.of(1, 5), parents: Int32Array.of(-1, 0) }, path: [0, 1] },
    ]);
    expect(first.observed).toMatchObject([{ successors: Int32Array.of(70, 10, 20) }]);
    expect(second.observed).toMatchObject([{ successors: Int32Array.of(70, 71, 10, 11, 50, 51) }]);
    // A round in which it was not asked.
    both.observe({ tree: chain([3], [0.1]), path: [0], successors: Int32Array.of(1, 2, 3, 4) });
    expect(second.observed[1]).toEqual({
      tree: emptyTree,
      path: [],
      successors: Int32Array.of(1, 2),
    });
    both.dispose();
    expect([first.disposed, second.disposed]).toEqual([1, 1]);
  });

  test("the budget goes to the drafter whose confidence proves right", async () => {
    const boaster = fixedDrafter(chain([1, 1, 1, 1], [0.97, 0.97, 0.97, 0.97]));
    const modest = fixedDrafter(chain([2, 2, 2, 2], [0.55, 0.55, 0.55, 0.55]));
    const calibrations = [new Calibration(), new Calibration()];
    const both = createCombination([boaster, modest], calibrations);
    expect([...(await both.propose(ask([0], 4))).tokens]).toEqual([1, 1, 1, 1]);
    for (let round = 0; round < 30; round++) {
      // oxlint-disable-next-line no-await-in-loop -- rounds follow each other
      const asked = await both.propose(ask([0], 8));
      const path = Array.from(asked.tokens, (_, i) => i).filter((i) => asked.tokens[i] === 2);
      both.observe({ tree: asked, path, successors: new Int32Array(0) });
    }
    expect([...(await both.propose(ask([0], 4))).tokens]).toEqual([2, 2, 2, 2]);
    expect(calibrations[0].probability(0.97)).toBeLessThan(0.2);
  });

  test("through the loop: the matrix learns, and no text changes", async () => {
    const target = tableModel(randomRows(12, 3));
    const options = { maxTokens: 60, sampling: { temperature: 0.7 }, numSpeculativeTokens: 6 };
    const plain = await finish(target, [1, 2], { ...options, key: createRng(1) });
    const matrix = new AdjacencyMatrix(12, 3);
    const drafter = createCombination([createSuffixDrafter(), createTokenRecycling(matrix)]);
    const { summary } = await finish(target, [1, 2], { ...options, key: createRng(1), drafter });
    expect(summary.ids).toEqual(plain.summary.ids);
    expect(summary.statistics.undraftedRounds).toBe(0);
    expect(summary.statistics.meanAcceptanceLength).toBeGreaterThan(1.5);
    expect(matrix.row(summary.ids[0])[0]).toBeGreaterThanOrEqual(0);
  });

  test("errors", async () => {
    expect(() => createCombination([])).toThrow("combination: needs at least 1 drafter, got 0");
    const both = createCombination([createPromptLookup(), fixedDrafter(drawn)]);
    await expect(both.propose(ask([0], 4))).rejects.toThrow(
      "mergeTrees: a tree holds drawn tokens",
    );
  });
});

const sure = () => fixedDrafter(chain([1], [0.9]));
const unsure = () => fixedDrafter(chain([2], [0.5]));
const silent = () => fixedDrafter(emptyTree);
const firstOf = async (...of: ReturnType<typeof sure>[]) => [
  ...(await createFirstOf(of).propose(ask([0], 4))).tokens,
];

/** What follows a match of so many tokens; 9 where the suffix drafter is passed over. */
const afterMatch = async (match: number) => {
  const text = [1, 2, 3, 4, 5].slice(5 - match);
  const drafter = createFirstOf([createSuffixDrafter(), fixedDrafter(chain([9], [0]))]);
  return (await drafter.propose(ask([...text, 6, ...text], 1))).tokens[0];
};

describe("createFirstOf", () => {
  test("the first above the threshold, else the last that says anything", async () => {
    expect(await firstOf(sure(), unsure())).toEqual([1]);
    expect(await firstOf(unsure(), sure())).toEqual([1]);
    expect(await firstOf(silent(), unsure())).toEqual([2]);
    expect(await firstOf(unsure(), silent())).toEqual([2]);
    expect(await firstOf(silent(), silent())).toEqual([]);
    expect(await firstOf(unsure(), fixedDrafter(drawn), sure())).toEqual([1]);
  });

  test("a match of five reaches the threshold, one of four does not", async () => {
    expect(await afterMatch(5)).toBe(6);
    expect(await afterMatch(4)).toBe(9);
  });

  test("tells the drafter that drafted, the others of an empty proposal", async () => {
    const [first, second] = [unsure(), sure()];
    const drafter = createFirstOf([first, second]);
    const proposal = await drafter.propose(ask([0], 4));
    drafter.observe({ tree: proposal, path: [0], successors: new Int32Array(0) });
    expect(first.observed).toMatchObject([{ tree: emptyTree, path: [] }]);
    expect(second.observed).toMatchObject([{ tree: { tokens: Int32Array.of(1) }, path: [0] }]);
    drafter.dispose();
    expect([first.disposed, second.disposed]).toEqual([1, 1]);
  });

  test("errors", () => {
    expect(() => createFirstOf([])).toThrow("combination: needs at least 1 drafter, got 0");
    expect(() => createFirstOf([sure()], 2)).toThrow(
      "createFirstOf: threshold must be in [0, 1], got 2",
    );
  });
});

const failing = () => {
  let down = true;
  return {
    ...fixedDrafter(chain([1], [0.9])),
    name: "brittle",
    repair: () => (down = false),
    break: () => (down = true),
    async propose() {
      if (down) throw new Error("no room");
      return chain([1], [0.9]);
    },
  };
};

describe.each([
  ["createCombination", (of: Drafter[], warn: Warn) => createCombination(of, undefined, warn)],
  ["createFirstOf", (of: Drafter[], warn: Warn) => createFirstOf(of, undefined, warn)],
])("%s with a drafter that fails", (_, create) => {
  const said = "the drafter brittle is left out until it answers again: no room";

  test("goes on without it, says so once until it answers again, and tells it of the round", async () => {
    const warnings: string[] = [];
    const brittle = failing();
    const both = create([brittle, unsure()], (message) => warnings.push(message));
    const first = async () => [...(await both.propose(ask([0], 1))).tokens];
    expect([await first(), await first()]).toEqual([[2], [2]]);
    both.observe({ tree: chain([2], [0.5]), path: [0], successors: new Int32Array(0) });
    expect(brittle.observed).toMatchObject([{ tree: emptyTree, path: [] }]);
    expect(warnings).toEqual([said]);
    brittle.repair();
    expect(await first()).toEqual([1]);
    brittle.break();
    expect(await first()).toEqual([2]);
    expect(warnings).toEqual([said, said]);
  });

  test("fails where all of them do, and in the loop that is an undrafted round", async () => {
    const warnings: string[] = [];
    const drafter = create([failing(), failing()], (message) => warnings.push(message));
    await expect(drafter.propose(ask([0], 4))).rejects.toThrow("no room");
    const target = tableModel(randomRows(12, 3));
    const { summary } = await finish(target, [1], { key: createRng(1), maxTokens: 5, drafter });
    expect(summary.statistics.undraftedRounds).toBeGreaterThan(1);
    expect(summary.statistics.lastDraftError).toEqual(new Error("no room"));
    expect(warnings).toEqual([said, said]);
  });

  test("aborts with the signal's reason", async () => {
    const abort = new AbortController();
    abort.abort(new Error("enough"));
    const drafter = create([failing(), unsure()], () => {});
    const context = { ...ask([0], 4), signal: abort.signal };
    await expect(drafter.propose(context)).rejects.toThrow("enough");
  });
});
