import { createRng, type LanguageModel, probabilityOf } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  createDraftModel,
  createDraftModelTree,
  type DraftTree,
  traversalVerification,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { toy3 } from "./drawn-trees.ts";
import { ask } from "./support.ts";
import { draftRows, toyDraft } from "./toy3.ts";

const sampling = { temperature: 1 };

/** Hides that the sequences run trees, and counts forwards. */
function plain(model: LanguageModel) {
  const counts = { forwards: 0 };
  const open: LanguageModel["open"] = async () => {
    const sequence = await model.open();
    return {
      get length() {
        return sequence.length;
      },
      forward: async (...args) => {
        counts.forwards++;
        return sequence.forward(...args);
      },
      commit: (count) => sequence.commit(count),
      truncate: (length) => sequence.truncate(length),
      fork: () => sequence.fork(),
      dispose: () => sequence.dispose(),
    };
  };
  return { counts, model: { ...model, open } };
}

const shape = ({ tokens, parents }: DraftTree) => [[...tokens], [...parents]];

test("greedy: the likeliest tokens of every level, without laws", async () => {
  const drafter = await createDraftModelTree(toyDraft(), { widths: [2, 1] });
  const tree = await drafter.propose(ask([3], 9));
  // q() = (.2, .5, .3): 1 and 2; argmax q(1) = 0, q(2) = 1.
  expect(shape(tree)).toEqual([
    [1, 2, 0, 1],
    [-1, -1, 0, 1],
  ]);
  expect(tree.laws).toEqual([null, null, null, null]);
  expect(tree.confidences[1]).toBeCloseTo(0.3, 6);
});

test("optimal, without replacement: each law leaves out the siblings before", async () => {
  const drafter = await createDraftModelTree(toyDraft(), {
    sampling,
    coupling: "optimal",
    widths: [3, 1],
  });
  const { tokens, laws } = await drafter.propose(ask([3], 9));
  expect(Array.from(tokens.slice(0, 3).toSorted())).toEqual([0, 1, 2]);
  for (const [i, law] of laws.slice(0, 3).entries()) {
    for (let j = 0; j < 3; j++) {
      const left = 1 - tokens.slice(0, i).reduce((sum, token) => sum + draftRows[3][token], 0);
      const expected = j < i ? 0 : draftRows[3][tokens[j]] / left;
      expect(law && probabilityOf(law, tokens[j])).toBeCloseTo(expected, 6);
    }
  }
});

test("optimal, independent and likeliest", async () => {
  const options = { sampling, coupling: "optimal", widths: [4] } as const;
  const independent = await createDraftModelTree(toyDraft(), {
    ...options,
    siblings: "independent",
  });
  const drawn = await independent.propose(ask([3], 9));
  expect(drawn.laws.map((law) => law && probabilityOf(law, 1))).toEqual([0.5, 0.5, 0.5, 0.5]);
  const likeliest = await createDraftModelTree(toyDraft(), { ...options, siblings: "likeliest" });
  const chosen = await likeliest.propose(ask([3], 9));
  expect([...chosen.tokens]).toEqual([1, 2, 0]);
  expect(chosen.laws).toEqual([null, null, null]);
});

test("seeded: first children are the seeded chain, and no sibling comes twice", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const tree = await (
      await createDraftModelTree(toyDraft(), { sampling, widths: [2, 1] })
    ).propose(ask([3], 9, createRng(seed)));
    const chain = await (
      await createDraftModel(toyDraft(), { sampling })
    ).propose(ask([3], 2, createRng(seed)));
    expect([tree.tokens[0], tree.tokens[2]]).toEqual([...chain.tokens]);
    expect(tree.tokens[1]).not.toBe(tree.tokens[0]);
  }
});

test.each([1, 2, 3, 4, 9])("a budget of %i nodes is filled breadth first", async (budget) => {
  const drafter = await createDraftModelTree(toyDraft(), {
    sampling,
    coupling: "optimal",
    widths: [2, 1],
  });
  const { parents } = await drafter.propose(ask([3], budget));
  expect([...parents]).toEqual([-1, -1, 0, 1].slice(0, budget));
});

test("a width of 1 is the chain of the draft model", async () => {
  const options = { sampling, coupling: "optimal" } as const;
  const tree = await createDraftModelTree(toyDraft(), { ...options, widths: [1, 1, 1] });
  const chain = await createDraftModel(toyDraft(), options);
  expect(shape(await tree.propose(ask([3], 3)))).toEqual(shape(await chain.propose(ask([3], 3))));
});

describe("models without tree forwards", () => {
  test("draft the same tree, one forward a node", async () => {
    const options = { sampling, coupling: "optimal", widths: [2, 2, 1] } as const;
    const { counts, model } = plain(toyDraft());
    const tree = await (await createDraftModelTree(toyDraft(), options)).propose(ask([3, 0], 20));
    const again = await (await createDraftModelTree(model, options)).propose(ask([3, 0], 20));
    expect(shape(again)).toEqual(shape(tree));
    expect(counts.forwards).toBe(1 + 2 + 4);
  });
});

test("the law of a drafted and verified tree is the target's", async () => {
  const drafter = await createDraftModelTree(toyDraft(), {
    sampling,
    coupling: "optimal",
    widths: [2, 1],
  });
  const law = await exactLaw(async (key) => {
    const tree = await drafter.propose(ask([3], 4, key));
    const target = (node: number) => toy3.p(node < 0 ? -1 : tree.tokens[node]);
    const { path, next } = traversalVerification.verify(tree, target, 1, key);
    return path.length === 0 ? next : tree.tokens[path[0]];
  });
  [0.5, 0.3, 0.2].forEach((mass, token) => expect(law.get(String(token))).toBeCloseTo(mass, 6));
});

test("stops at the end of its context, and frees its sequence", async () => {
  const short = { ...toyDraft(), contextLength: 3 };
  const drafter = await createDraftModelTree(short, { widths: [2, 1, 1] });
  expect((await drafter.propose(ask([3, 0], 9))).tokens).toHaveLength(2);
  drafter.dispose();
  await expect(drafter.propose(ask([3], 9))).rejects.toThrow("the drafter is disposed");
});

test("a config out of range is an error", async () => {
  await expect(createDraftModelTree(toyDraft(), { widths: [] })).rejects.toThrow(
    "createDraftModelTree: widths",
  );
});
