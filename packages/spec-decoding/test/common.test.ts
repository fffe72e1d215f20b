/** Every drafter of the package under the laws that no drafter may break. */
import {
  createRng,
  type LanguageModel,
  resolveSampling,
  type RngKey,
  type Sampling,
  scoreTokens,
} from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import {
  AdjacencyMatrix,
  type Coupling,
  createDraftModel,
  createDySpec,
  createDraftModelTree,
  createCombination,
  createFirstOf,
  createForcedText,
  createNgramCache,
  createPromptLookup,
  createReferenceText,
  createSuffixDecoding,
  createSuffixDrafter,
  createTokenRecycling,
  crossVocabularyModel,
  type Drafter,
  mapVocabulary,
  SuffixStore,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { adversarialDrafter, finish, randomRows } from "./support.ts";
import { toyDraft, toyTarget, twoTokenLaw } from "./toy3.ts";

interface Setting {
  readonly vocabSize: number;
  readonly draft: LanguageModel;
  readonly sampling: Partial<Sampling>;
  readonly coupling: Coupling;
}

function randomMatrix(vocabSize: number, seed: number): AdjacencyMatrix {
  const rng = createRng(seed).at(0, "draft");
  const matrix = new AdjacencyMatrix(vocabSize, 4);
  for (let token = 0; token < vocabSize; token++) {
    matrix.update(
      [token],
      Int32Array.from({ length: 4 }, () => Math.floor(rng.uniform() * vocabSize)),
    );
  }
  return matrix;
}

const makers: Record<string, (setting: Setting) => Promise<Drafter> | Drafter | null> = {
  none: () => null,
  "prompt-lookup": () => createPromptLookup(),
  "suffix-automaton": () => createSuffixDrafter(),
  "suffix-automaton with a store": ({ vocabSize }) => {
    const store = new SuffixStore();
    store.add(Array.from({ length: 200 }, (_, i) => (i * i) % vocabSize));
    return createSuffixDrafter(store);
  },
  "prompt-lookup with a vote": () => createPromptLookup({ prefer: "vote" }),
  "suffix-decoding with a store": ({ vocabSize }) => {
    const store = new SuffixStore();
    store.add(Array.from({ length: 200 }, (_, i) => (i * i) % vocabSize));
    return createSuffixDecoding(store, { maxSpecFactor: 3 });
  },
  "ngram-cache": ({ sampling, coupling }) => createNgramCache(undefined, { sampling, coupling }),
  "reference-text": ({ vocabSize }) =>
    createReferenceText(Array.from({ length: 200 }, (_, i) => (i * i) % vocabSize)),
  "forced-text": ({ vocabSize }) => createForcedText((ids) => [ids.length % vocabSize, 0, 1]),
  combination: ({ vocabSize }) =>
    createCombination([
      createSuffixDrafter(),
      createPromptLookup({ prefer: "earliest" }),
      createTokenRecycling(randomMatrix(vocabSize, 8)),
    ]),
  "first of a suffix drafter and a drawn n-gram cache": ({ sampling, coupling }) =>
    createFirstOf([createSuffixDrafter(), createNgramCache(undefined, { sampling, coupling })]),
  "token-recycling": ({ vocabSize }) => createTokenRecycling(randomMatrix(vocabSize, 8)),
  "draft-model": ({ draft, sampling, coupling }) => createDraftModel(draft, { sampling, coupling }),
  "draft-model-tree": ({ draft, sampling, coupling }) =>
    createDraftModelTree(draft, { sampling, coupling, widths: [2, 1] }),
  "draft-model of another vocabulary": ({ vocabSize, draft, sampling, coupling }) => {
    const pieces = Array.from({ length: vocabSize }, (_, id) => Uint8Array.of(id));
    // The draft has no token for 1.
    const other = pieces.map((piece, id) => (id === 1 ? null : piece));
    const model = crossVocabularyModel(draft, mapVocabulary(pieces, other, 0));
    return createDraftModel(model, { sampling, coupling });
  },
  dyspec: ({ draft, sampling, coupling }) => createDySpec(draft, { sampling, coupling }),
  adversarial: ({ vocabSize }) => adversarialDrafter(vocabSize, 4),
};
const names = Object.keys(makers);

const vocabSize = 24;
const rows = randomRows(vocabSize, 1);
const target = tableModel(rows);
/** Near the target: a third of the floor of another chain is mixed in. */
const draft = tableModel(
  randomRows(vocabSize, 2).map((row, i) => row.map((p, j) => (p + 2 * rows[i][j]) / 3)),
);
const prompt = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3];

const samplings: Record<string, Partial<Sampling>> = {
  greedy: {},
  "temperature 1": { temperature: 1 },
  "temperature 0.8, topK 8, topP 0.9": { temperature: 0.8, topK: 8, topP: 0.9 },
  penalties: {
    temperature: 0.9,
    repetitionPenalty: 1.3,
    frequencyPenalty: 0.2,
    presencePenalty: 0.1,
  },
};

const drafting = [
  { numSpeculativeTokens: 1 },
  { numSpeculativeTokens: 5 },
  { numSpeculativeTokens: 30 },
  { costs: Array.from({ length: 18 }, (_, i) => 10 + i) },
];

describe.each(names)("%s", (name) => {
  test.each(Object.keys(samplings))(
    "seeded: the text of a seed is that of plain sampling (%s)",
    async (kind) => {
      const sampling = samplings[kind];
      const common = { maxTokens: 60, sampling, logProbs: 0 };
      for (const seed of [1, 2, 3]) {
        const plain = await finish(target, prompt, { ...common, key: createRng(seed) });
        for (const options of drafting) {
          const drafter = await makers[name]({ vocabSize, draft, sampling, coupling: "seeded" });
          const drafted = await finish(target, prompt, {
            ...common,
            ...options,
            drafter,
            key: createRng(seed),
          });
          expect(drafted.summary.ids).toEqual(plain.summary.ids);
          const logProbs = (steps: typeof plain.steps) => steps.flatMap((step) => step.logProbs);
          expect(logProbs(drafted.steps)).toEqual(logProbs(plain.steps));
          expect(drafted.summary.statistics.undraftedRounds).toBe(0);
        }
      }
    },
  );

  test("optimal: greedy text is that of plain greedy decoding", async () => {
    const plain = await finish(target, prompt, { maxTokens: 80, key: createRng(1) });
    const drafter = await makers[name]({ vocabSize, draft, sampling: {}, coupling: "optimal" });
    const drafted = await finish(target, prompt, {
      maxTokens: 80,
      key: createRng(2),
      coupling: "optimal",
      drafter,
    });
    expect(drafted.summary.ids).toEqual(plain.summary.ids);
  });

  test.each<[Coupling, number]>([
    ["seeded", 1],
    ["optimal", 1],
    ["optimal", 2],
    ["optimal", 3],
  ])(
    "%s, %i tokens a round: two tokens have exactly the target law of TOY3",
    async (coupling, count) => {
      const sampling = { temperature: 1 };
      const law = await exactLaw(async (key: RngKey) => {
        const drafter = await makers[name]({ vocabSize: 5, draft: toyDraft(), sampling, coupling });
        // Token 4 is always followed by 3, the empty context, so that the two tokens come from drafted rounds.
        const { summary } = await finish(toyTarget(), [0, 1, 3, 0, 1, 4], {
          key,
          coupling,
          drafter,
          sampling,
          numSpeculativeTokens: count,
          maxTokens: 1 + Math.max(2, count),
        });
        return summary.ids.slice(1, 3);
      });
      expect([...law.keys()].toSorted()).toEqual(Object.keys(twoTokenLaw));
      for (const [tokens, mass] of Object.entries(twoTokenLaw)) {
        expect(law.get(tokens)).toBeCloseTo(mass, 6);
      }
    },
  );

  test("statistics add up: the text is one token and 1 + accepted for every round", async () => {
    const sampling = { temperature: 0.7 };
    const drafter = await makers[name]({ vocabSize, draft, sampling, coupling: "seeded" });
    const { steps, summary } = await finish(target, prompt, {
      key: createRng(4),
      drafter,
      sampling,
      maxTokens: 50,
    });
    const { rounds, proposed, evaluated, accepted, acceptedAt, meanAcceptanceLength } =
      summary.statistics;
    expect(summary.ids).toHaveLength(50);
    expect(1 + rounds + accepted).toBe(50);
    expect(steps).toHaveLength(1 + rounds);
    expect(steps.flatMap((step) => step.ids)).toEqual(summary.ids);
    expect(steps.reduce((sum, step) => sum + step.accepted, 0)).toBe(accepted);
    expect(steps.reduce((sum, step) => sum + step.proposed, 0)).toBe(proposed);
    expect(acceptedAt.reduce((a, b) => a + b, 0)).toBe(accepted);
    expect(accepted).toBeLessThanOrEqual(evaluated);
    expect(evaluated).toBeLessThanOrEqual(proposed);
    expect(meanAcceptanceLength).toBeCloseTo(1 + accepted / rounds, 12);
  });
});

test("greedy text does not depend on the content of a matrix (token recycling, property a)", async () => {
  const plain = await finish(target, prompt, { maxTokens: 30, key: createRng(1) });
  await fc.assert(
    fc.asyncProperty(fc.nat(1e6), fc.integer({ min: 1, max: 80 }), async (seed, count) => {
      const drafter = createTokenRecycling(randomMatrix(vocabSize, seed));
      const drafted = await finish(target, prompt, {
        maxTokens: 30,
        key: createRng(1),
        drafter,
        numSpeculativeTokens: count,
      });
      expect(drafted.summary.ids).toEqual(plain.summary.ids);
    }),
    { numRuns: 40 },
  );
});

test("raw log-probs are those of scoring the text", async () => {
  const sampling = { temperature: 1, topK: 6 };
  const drafter = await createDraftModel(draft, { sampling, coupling: "optimal" });
  const { steps, summary } = await finish(target, prompt, {
    key: createRng(6),
    coupling: "optimal",
    drafter,
    sampling,
    maxTokens: 40,
    logProbs: 3,
  });
  const scores = await scoreTokens(target, [...prompt, ...summary.ids]);
  const reported = steps.flatMap((step) => step.logProbs ?? []);
  reported.forEach(({ raw, processed, top }, i) => {
    expect(raw).toBe(scores[prompt.length - 1 + i]);
    expect(processed).toBeGreaterThan(raw);
    expect(top).toHaveLength(3);
    expect(top[0].logProb).toBeGreaterThanOrEqual(Math.max(raw, top[1].logProb));
  });
  expect(reported).toHaveLength(40);
});

test("a draft model like the target is accepted nearly always, with either coupling", async () => {
  for (const coupling of ["seeded", "optimal"] as const) {
    const sampling = resolveSampling({ temperature: 1 });
    const drafter = await createDraftModel(target, { sampling, coupling });
    const { summary } = await finish(target, prompt, {
      key: createRng(1),
      coupling,
      drafter,
      sampling,
      maxTokens: 101,
      numSpeculativeTokens: 4,
    });
    expect(summary.statistics.acceptanceRate).toBe(1);
    expect(summary.statistics.rounds).toBe(20);
    expect(summary.statistics.acceptedAt).toEqual([20, 20, 20, 20]);
  }
});
