import { createRng, type LanguageModel, probabilityOf } from "@veridraft/core-probs";
import { tableModel } from "@veridraft/core-probs/testing";
import { createDraftModel } from "@veridraft/spec-decoding";
import { expect, test } from "vitest";
import { ask, randomRows } from "./support.ts";
import { draftRows, toyDraft } from "./toy3.ts";

/** Counts the rows that a model runs and its open sequences. */
function counted(model: LanguageModel) {
  const counts = { rows: 0, open: 0 };
  const open = async () => {
    const sequence = await model.open();
    counts.open++;
    const forward = sequence.forward.bind(sequence);
    const dispose = sequence.dispose.bind(sequence);
    sequence.forward = async (ids, options) => {
      counts.rows += ids.length;
      return forward(ids, options);
    };
    sequence.dispose = () => {
      counts.open--;
      dispose();
    };
    return sequence;
  };
  return { counts, model: { ...model, open } };
}

test("greedy drafts the path of argmaxes without laws", async () => {
  const drafter = await createDraftModel(toyDraft(), { coupling: "optimal" });
  const tree = await drafter.propose(ask([3], 4));
  // argmax q() = 1, q(1) = 0, q(0) = 2, q(2) = 1.
  expect([...tree.tokens]).toEqual([1, 0, 2, 1]);
  expect(tree.laws).toEqual([null, null, null, null]);
});

test("seeded drafts what plain sampling from the draft would say, with its probability as confidence", async () => {
  const sampling = { temperature: 1 };
  const drafter = await createDraftModel(toyDraft(), { sampling });
  const tree = await drafter.propose(ask([3], 3, createRng(5)));
  const again = await (
    await createDraftModel(toyDraft(), { sampling })
  ).propose(ask([3, tree.tokens[0]], 2, createRng(5)));
  expect([...again.tokens]).toEqual([...tree.tokens].slice(1));
  expect(tree.confidences[0]).toBeCloseTo(draftRows[3][tree.tokens[0]], 6);
  expect(tree.laws).toEqual([null, null, null]);
});

test("optimal gives the law that was drawn from, of at most 256 tokens", async () => {
  const rows = randomRows(300, 1);
  const drafter = await createDraftModel(tableModel(rows), {
    sampling: { temperature: 1 },
    coupling: "optimal",
  });
  const tree = await drafter.propose(ask([7], 3));
  tree.laws.forEach((law, i) => {
    expect(law?.ids).toHaveLength(256);
    expect(law?.probs.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(tree.confidences[i]).toBe(law && probabilityOf(law, tree.tokens[i]));
  });
});

test("the cache keeps in step: only what is new is run", async () => {
  const { counts, model } = counted(toyDraft());
  const drafter = await createDraftModel(model);
  await drafter.propose(ask([3, 0, 1], 3));
  expect(counts.rows).toBe(3 + 2);
  // All three drafts (0, 2, 1) accepted, bonus 0: runs the last draft and the bonus, then one draft.
  await drafter.propose(ask([3, 0, 1, 0, 2, 1, 0], 2));
  expect(counts.rows).toBe(5 + 2 + 1);
  // The first draft of the last round was 2; the text says 1.
  await drafter.propose(ask([3, 0, 1, 0, 2, 1, 0, 1], 1));
  expect(counts.rows).toBe(8 + 1);
  drafter.dispose();
  drafter.dispose();
  expect(counts.open).toBe(0);
});

test("stops at the end of its context", async () => {
  const drafter = await createDraftModel(tableModel(draftRows, { contextLength: 4 }));
  expect((await drafter.propose(ask([3, 0, 1], 9))).tokens).toHaveLength(2);
  expect((await drafter.propose(ask([3, 0, 1, 0], 9))).tokens).toHaveLength(1);
  expect((await drafter.propose(ask([3, 0, 1, 0, 2], 9))).tokens).toHaveLength(0);
});

test("disposed while a proposal is under way, it frees its sequence afterwards", async () => {
  const { counts, model } = counted(toyDraft());
  const drafter = await createDraftModel(model);
  const proposal = drafter.propose(ask([3], 5));
  drafter.dispose();
  await expect(proposal).rejects.toThrow("draft-model: the drafter is disposed");
  expect(counts.open).toBe(0);
});
