import { createRng, type RngKey, row } from "@veridraft/core-probs";
import { exactLaw, modelLaws, tableModel } from "@veridraft/core-probs/testing";
import {
  createDraftModel,
  crossVocabularyModel,
  mapVocabulary,
  type Pieces,
} from "@veridraft/spec-decoding";
import { describe, expect, test } from "vitest";
import { ask, chiSquareZ, finish, randomRows } from "./support.ts";
import { toyTarget, twoTokenLaw } from "./toy3.ts";

const pieces = (...texts: (string | null)[]): Pieces =>
  texts.map((text) => (text === null ? null : new TextEncoder().encode(text)));
const bytes = (...of: number[][]): Pieces => of.map((piece) => Uint8Array.from(piece));

/** The target says a, b, abc and two control tokens; the draft c, a, ab, b, an end token, and a again. Common are a and b. */
const targetPieces = pieces("a", "b", "abc", null, null);
const draftPieces = pieces("c", "a", "ab", "b", null, "a");
const map = mapVocabulary(targetPieces, draftPieces, 4);
const draftRows = [
  [0.1, 0.2, 0.3, 0.2, 0.1, 0.1],
  [0.1, 0.3, 0.2, 0.1, 0.2, 0.1],
  [0.2, 0.1, 0.1, 0.4, 0.1, 0.1],
  [0.1, 0.5, 0.1, 0.1, 0.1, 0.1],
  [0.1, 0.2, 0.1, 0.4, 0.1, 0.1],
  [0.3, 0.2, 0.2, 0.1, 0.1, 0.1],
];
const translated = () => crossVocabularyModel(tableModel(draftRows), map);

describe("mapVocabulary", () => {
  test("twins by bytes, of equal ones the lowest; spellings by the longest pieces", () => {
    expect([...map.twins]).toEqual([1, 3, -1, -1, -1]);
    expect(map.spellings.map((ids) => [...ids])).toEqual([[1], [3], [2, 0], [4], [4]]);
  });

  test("bytes, not characters: a part of one, and bytes that the draft lacks", () => {
    const { twins, spellings } = mapVocabulary(
      bytes([0xc3], [0xc3, 0xa9], [0xa9, 0x80, 0x61]),
      bytes([0x61], [0xa9], [0xc3], []),
      3,
    );
    expect([...twins]).toEqual([2, -1, -1]);
    expect(spellings.map((ids) => [...ids])).toEqual([[2], [2, 1], [1, 3, 0]]);
  });

  test("errors", () => {
    expect(() => mapVocabulary(targetPieces, draftPieces, 6)).toThrow(
      "mapVocabulary: unknown must be an integer in [0, 6), got 6",
    );
    expect(() => mapVocabulary(pieces("x", null), draftPieces, 0)).toThrow(
      "mapVocabulary: 2 target and 6 draft tokens have none in common; give another draft model",
    );
  });
});

/** Logits of the target's tokens after a draft token: those of a and b, which are 1 and 3 there. */
const logitsAfter = (from: number) => [
  Math.fround(Math.log(draftRows[from][1])),
  Math.fround(Math.log(draftRows[from][3])),
  -Infinity,
  -Infinity,
  -Infinity,
];

describe("crossVocabularyModel", () => {
  test("gives the draft's logits of the twins after the translated text", async () => {
    const sequence = await translated().open();
    const logits = await sequence.forward([0, 2]);
    expect([...row(logits, 0)]).toEqual(logitsAfter(1));
    // abc is spelled ab, c.
    expect([...row(logits, 1)]).toEqual(logitsAfter(0));
    sequence.dispose();
  });

  test("keeps the contract of a model: cache, commits, forks", async () => {
    const ids = [0, 2, 1, 2, 3, 0, 2, 2, 1];
    await expect(modelLaws(translated(), { ids })).resolves.toBeUndefined();
  });

  test("errors", async () => {
    expect(() => crossVocabularyModel(toyTarget(), map)).toThrow(
      "crossVocabularyModel: the map must be to the draft's 5 tokens, got 6",
    );
    const model = crossVocabularyModel(tableModel(draftRows, { contextLength: 3 }), map);
    const sequence = await model.open();
    await expect(sequence.forward([2, 2])).rejects.toThrow(
      "crossVocabularyModel: 0 + 4 draft tokens exceed a context of 3",
    );
    await expect(sequence.forward([5])).rejects.toThrow(
      "crossVocabularyModel: ids must be in [0, 5), got 5",
    );
    await sequence.forward([0]);
    expect(() => sequence.commit(2)).toThrow(
      "crossVocabularyModel: commit must be of at most 1 tokens, got 2",
    );
    expect(() => sequence.truncate(1)).toThrow(
      "crossVocabularyModel: truncate must be to at most 0 tokens, got 1",
    );
    sequence.dispose();
  });
});

test("drafts are drawn from the draft's law restricted to common tokens", async () => {
  const drafter = await createDraftModel(translated(), {
    sampling: { temperature: 1 },
    coupling: "optimal",
  });
  const tree = await drafter.propose(ask([2], 1));
  expect([...(tree.laws[0]?.probs ?? [])].filter((p) => p > 0).map((p) => p.toFixed(6))).toEqual([
    "0.500000",
    "0.500000",
  ]);
  const [law] = (await drafter.propose(ask([2, 0], 1))).laws;
  // After a: a .3 and b .1 of the draft's law.
  expect(law?.probs[0]).toBeCloseTo(0.75, 6);
  expect(law?.probs[1]).toBeCloseTo(0.25, 6);
});

test.each([
  ["seeded", 1],
  ["seeded", 2],
  ["optimal", 1],
  ["optimal", 2],
  ["optimal", 3],
] as const)(
  "%s, %i tokens a round: the law of the text is exactly the target's",
  async (coupling, count) => {
    const sampling = { temperature: 1 };
    const law = await exactLaw(async (key: RngKey) => {
      const drafter = await createDraftModel(translated(), { sampling, coupling });
      const { summary } = await finish(toyTarget(), [0, 1, 2, 4], {
        key,
        coupling,
        drafter,
        sampling,
        numSpeculativeTokens: count,
        maxTokens: 1 + Math.max(2, count),
      });
      expect(summary.statistics.undraftedRounds).toBe(0);
      expect(summary.statistics.proposed).toBeGreaterThan(0);
      return summary.ids.slice(1, 3);
    });
    expect([...law.keys()].toSorted()).toEqual(Object.keys(twoTokenLaw));
    // Laws are float32; the loop is exact.
    for (const [tokens, mass] of Object.entries(twoTokenLaw)) {
      expect(law.get(tokens)).toBeCloseTo(mass, 6);
    }
  },
);

test("chi-square of a token at a larger vocabulary", async () => {
  const size = 64;
  const rows = randomRows(size, 1);
  const own: Pieces = Array.from({ length: size }, (_, id) => Uint8Array.of(id));
  // The draft lacks every third token and counts from the end.
  const other: Pieces = own.map((piece, id) => (id % 3 === 0 ? null : piece)).toReversed();
  const model = crossVocabularyModel(tableModel(randomRows(size, 2)), mapVocabulary(own, other, 0));
  const sampling = { temperature: 1 };
  const counts = new Float64Array(size);
  const runs = 3000;
  for (let seed = 0; seed < runs; seed++) {
    // oxlint-disable-next-line no-await-in-loop -- one generation at a time
    const drafter = await createDraftModel(model, { sampling, coupling: "optimal" });
    // oxlint-disable-next-line no-await-in-loop -- one generation at a time
    const { summary } = await finish(tableModel(rows), [5], {
      key: createRng(seed),
      coupling: "optimal",
      drafter,
      sampling,
      maxTokens: 3,
    });
    counts[summary.ids[1]]++;
  }
  const probs = Array.from({ length: size }, (_, second) =>
    rows[5].reduce((sum, p, first) => sum + p * rows[first][second], 0),
  );
  expect(Math.abs(chiSquareZ(counts, probs, runs))).toBeLessThan(3.09);
});
