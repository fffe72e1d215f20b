import { createRng, probabilityOf } from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import {
  createDraftHead,
  createFirstOf,
  createSuffixDrafter,
  generate,
  SuffixStore,
} from "@veridraft/spec-decoding";
import { describe, expect, it, test } from "vitest";
import { finish, randomRows } from "./support.ts";
import { tableHead, tappedTable } from "./tapped.ts";

const rows = randomRows(12, 3);
const everything = [...rows.keys()];
const key = createRng(5);
const taps = (id: number) => Float32Array.from(rows, (_, i) => (i === id ? 1 : 0));
const likeliest = (row: readonly number[]) => row.indexOf(Math.max(...row));

describe("createDraftHead()", () => {
  it("begins with the hidden states and goes on from its own", async () => {
    const { head, asked } = tableHead(rows, everything);
    const drafter = createDraftHead(head, { least: 0 });
    const tree = await drafter.propose({ ids: [3, 7], budget: 3, key, taps: taps(3) });
    const [one, two, three] = tree.tokens;
    expect(one).toBe(likeliest(rows[7]));
    expect(two).toBe(likeliest(rows[one]));
    expect(three).toBe(likeliest(rows[two]));
    expect(asked).toEqual(["3>7", `7+${one}`, `${one}+${two}`]);
    expect(tree.laws).toEqual([null, null, null]);
    expect(tree.confidences[0]).toBeCloseTo(rows[7][one], 6);
  });

  it("says nothing without hidden states", async () => {
    const { head, asked } = tableHead(rows, everything);
    const tree = await createDraftHead(head).propose({ ids: [3, 7], budget: 3, key });
    expect(tree.tokens).toHaveLength(0);
    expect(asked).toEqual([]);
  });

  it("drafts on while all so far is at least as likely as `least`", async () => {
    const { head } = tableHead(rows, everything);
    const first = Math.max(...rows[7]);
    const lengthAt = async (least: number) =>
      (await createDraftHead(head, { least }).propose({ ids: [7], budget: 2, key, taps: taps(0) }))
        .tokens.length;
    expect(await lengthAt(first - 1e-3)).toBe(2);
    expect(await lengthAt(first + 1e-3)).toBe(1);
    expect(await lengthAt(1)).toBe(1);
  });

  it("says only its own ids, under penalties of the target's", async () => {
    const ids = [1, 4, 6, 9];
    const { head } = tableHead(rows, ids);
    const best = ids.toSorted((a, b) => rows[7][b] - rows[7][a]);
    const drafter = createDraftHead(head, { sampling: { frequencyPenalty: 100 } });
    const propose = async (text: number[]) =>
      (await drafter.propose({ ids: [...text, 7], budget: 1, key, taps: taps(0) })).tokens[0];
    expect(await propose([])).toBe(best[0]);
    expect(await propose([best[0], 2])).toBe(best[1]);
    expect(await propose([best[0], best[1], best[1], best[2]])).toBe(best[3]);
  });

  it("draws from the law that it gives", async () => {
    const ids = [0, 1, 2, 3, 4, 5];
    const { head } = tableHead(rows, ids);
    const sampling = { temperature: 1 };
    const drafter = createDraftHead(head, { sampling, coupling: "optimal", least: 0 });
    const { tokens, laws } = await drafter.propose({ ids: [7], budget: 2, key, taps: taps(0) });
    const mass = ids.reduce((sum, id) => sum + rows[7][id], 0);
    expect([...(laws[0]?.ids ?? [])]).toEqual(ids);
    ids.forEach((id) => {
      expect(laws[0] && probabilityOf(laws[0], id)).toBeCloseTo(rows[7][id] / mass, 6);
    });
    expect(laws[1] && probabilityOf(laws[1], tokens[1])).toBeGreaterThan(0);
  });

  it("refuses `least` outside of [0, 1]", () => {
    const { head } = tableHead(rows, everything);
    expect(() => createDraftHead(head, { least: 1.5 })).toThrow(
      "createDraftHead: least must be in [0, 1], got 1.5",
    );
  });
});

describe("generate() with a head", () => {
  it("gives it the hidden states at the token before the root", async () => {
    const { head, asked } = tableHead(rows, everything);
    const drafter = createDraftHead(head, { least: 0 });
    const { summary } = await finish(tappedTable(rows), [2, 5], {
      key,
      maxTokens: 24,
      drafter,
      numSpeculativeTokens: 2,
    });
    const text = [2, 5, ...summary.ids];
    const starts = asked.filter((each) => each.includes(">"));
    expect(starts.length).toBeGreaterThan(3);
    let at = 1;
    for (const start of starts) {
      at = text.findIndex((id, i) => i > at && start === `${text[i - 1]}>${id}`);
      expect(at).toBeGreaterThan(0);
    }
    // The head of the target itself is always right.
    expect(summary.statistics.acceptanceRate).toBe(1);
  });

  test.each([
    ["greedy", { temperature: 0 }],
    ["seeded", { temperature: 1, topP: 0.9 }],
  ])("changes no text: %s", async (_, sampling) => {
    const options = { key, maxTokens: 60, sampling };
    const plain = await finish(tableModel(rows), [1], options);
    const { head } = tableHead(randomRows(12, 4), [0, 2, 3, 5, 7, 8]);
    const drafter = createFirstOf(
      [createSuffixDrafter(new SuffixStore(1000)), createDraftHead(head, { sampling })],
      2 / 3,
    );
    const drafted = await finish(tappedTable(rows), [1], { ...options, drafter });
    expect(drafted.summary.ids).toEqual(plain.summary.ids);
    expect(drafted.summary.statistics.proposed).toBeGreaterThan(0);
  });

  it("keeps the law of the target where its tokens are drawn", async () => {
    const small = randomRows(3, 8);
    const sampling = { temperature: 1 };
    const { head } = tableHead(randomRows(3, 9), [0, 2]);
    const law = await exactLaw(async (drawing) => {
      const { summary } = await finish(tappedTable(small), [1], {
        key: drawing,
        maxTokens: 3,
        sampling,
        coupling: "optimal",
        drafter: createDraftHead(head, { sampling, coupling: "optimal", least: 0 }),
        numSpeculativeTokens: 2,
      });
      return summary.ids.join();
    });
    expect(law.size).toBe(27);
    for (const [text, probability] of law) {
      const [a, b, c] = text.split(",").map(Number);
      // Logits are float32.
      expect(probability).toBeCloseTo(small[1][a] * small[a][b] * small[b][c], 6);
    }
  });

  it("refuses a model without the hidden states that the head wants", async () => {
    const { head } = tableHead(rows, everything);
    const run = (model: Parameters<typeof generate>[0]) =>
      generate(model, [1], { key, drafter: createDraftHead(head) }).next();
    await expect(run(tableModel(rows))).rejects.toThrow(
      "generate: the drafter head begins with hidden states of width 12, and the model gives none; draft with the head of this model, or without one",
    );
    await expect(run(tappedTable(randomRows(5, 1)))).rejects.toThrow("those of width 5");
  });
});
