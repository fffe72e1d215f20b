/**
 * On the real model, too, the text of a seed is that of plain decoding, whatever drafts it, for every weight format whose logits are exact.
 *
 * Sampled, in int8: the four drafters that work in different ways draft every prompt, and every prompt meets every draft length. Otherwise a prompt
 * meets one of the four in each format, greedy with the seeded coupling in one format and the optimal one in the next. What drafters learn is kept from text to
 * text, and proposals are cut as in the apps: to chains where trees are not exact, to what pays where no length is given.
 */
import { createRng, type Sampling } from "@veridraft/core-probs";
import {
  type LoadedModel,
  loadModel,
  type WeightFormat,
  weightFormats,
} from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import {
  AdjacencyMatrix,
  type Coupling,
  createCombination,
  createDraftModel,
  createDraftModelTree,
  createFirstOf,
  createNgramCache,
  createPromptLookup,
  createReferenceText,
  createSuffixDecoding,
  createSuffixDrafter,
  createTokenRecycling,
  type Drafter,
  encodePrompt,
  type GenerateOptions,
  NgramCounts,
  SuffixStore,
} from "@veridraft/spec-decoding";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { finish } from "../support.ts";
import { prompts } from "./prompts.ts";

const drafters = [
  "prompt-lookup",
  "suffix",
  "recycling",
  "draft-model",
  "suffix-decoding",
  "ngram-cache",
  "reference-text",
  "combination",
  "first-of",
  "draft-tree",
] as const;
type Name = (typeof drafters)[number];
/** Those that draft every prompt in some formats. */
const different: readonly Name[] = ["prompt-lookup", "suffix", "recycling", "draft-model"];
/** Draft lengths; undefined is adaptive, by the engine's costs. */
const lengths = [1, 4, 12, undefined];

/** Formats of the embedded file on a CPU: int4 is for files of Q4_0, f16 for GPUs. */
const formats = weightFormats.filter((weights) => weights !== "int4" && weights !== "f16");

const models = {} as Record<WeightFormat, LoadedModel>;
const allPrompts = prompts
  .map((prompt) => (typeof prompt === "string" ? prompt : prompt[0].content))
  .join("\n");
const store = new SuffixStore();
const counts = new NgramCounts();
let matrix: AdjacencyMatrix;

beforeAll(async () => {
  for (const weights of formats) {
    // Two sessions share the machine: the threads of the idle one must not spin.
    models[weights] = await loadModel(smolLM2.path, { weights, spinning: false });
  }
  matrix = new AdjacencyMatrix(models.f32.model.vocabSize);
}, 120_000);

afterAll(async () => {
  for (const { model } of Object.values(models)) await model.dispose();
});

async function createDrafter(
  name: Name,
  weights: WeightFormat,
  sampling: Partial<Sampling>,
  coupling: Coupling,
): Promise<Drafter> {
  switch (name) {
    case "prompt-lookup":
      return createPromptLookup();
    case "suffix":
      return createSuffixDrafter(store);
    case "recycling":
      return createTokenRecycling(matrix);
    case "draft-model": {
      const { model } = models[weights === "int8" ? "f32" : "int8"];
      return createDraftModel(model, { sampling, coupling });
    }
    case "suffix-decoding":
      return createSuffixDecoding(store);
    case "ngram-cache":
      return createNgramCache(counts, { sampling, coupling });
    case "reference-text": {
      const { tokenizer } = models[weights];
      return createReferenceText(tokenizer.encode(allPrompts));
    }
    case "combination":
      return createCombination([createSuffixDrafter(store), createTokenRecycling(matrix)]);
    case "first-of":
      return createFirstOf([createSuffixDrafter(store), createTokenRecycling(matrix)]);
    case "draft-tree": {
      const { model } = models[weights === "int8" ? "f32" : "int8"];
      return createDraftModelTree(model, { sampling, coupling });
    }
  }
}

const modes: {
  readonly mode: string;
  readonly sampling: Partial<Sampling>;
  readonly couplings: readonly Coupling[];
  /** A drafter drafts every so many prompts. */
  readonly every: number;
}[] = [
  {
    mode: "sampled",
    sampling: { temperature: 0.8, topP: 0.95 },
    couplings: ["seeded"],
    every: 1,
  },
  { mode: "greedy", sampling: {}, couplings: ["seeded", "optimal"], every: different.length },
];

/** The format in which every one of them drafts every prompt. */
const thorough: WeightFormat = "int8";

describe.each(formats)("%s", (weights) => {
  describe.each(modes)("$mode", ({ sampling, couplings, every }) => {
    async function generated(i: number, options: Partial<GenerateOptions> = {}) {
      const { model, tokenizer, exactTrees, costs } = models[weights];
      const { summary } = await finish(model, [...encodePrompt(models[weights], prompts[i])], {
        key: createRng(i),
        maxTokens: 12,
        stopIds: [...tokenizer.endIds],
        sampling,
        branching: exactTrees,
        costs,
        ...options,
      });
      return summary;
    }

    /** Plain texts by prompt, made when first compared with. */
    const plain: (readonly number[])[] = [];
    const format = formats.indexOf(weights);

    // The others go the ways of these four: one format is enough.
    test.for(weights === thorough ? drafters : different)(
      "the text is that of plain decoding, drafted by %s",
      { timeout: 300_000 },
      async (name, { skip }) => {
        skip(!models[weights].exact, `${weights} is not exact on this machine`);
        const first = drafters.indexOf(name);
        const step = weights === thorough && different.includes(name) ? every : different.length;
        let accepted = 0;
        for (let turn = 0, i = (first + format) % step; i < prompts.length; turn++, i += step) {
          const numSpeculativeTokens = lengths[(turn + first) % lengths.length];
          const coupling = couplings[(turn + format) % couplings.length];
          const drafter = await createDrafter(name, weights, sampling, coupling);
          const drafted = await generated(i, { drafter, coupling, numSpeculativeTokens });
          plain[i] ??= (await generated(i)).ids;
          const run = { prompt: i, numSpeculativeTokens, coupling };
          expect({ ...run, ids: drafted.ids }).toEqual({ ...run, ids: plain[i] });
          expect(drafted.statistics.undraftedRounds).toBe(0);
          accepted += drafted.statistics.accepted;
        }
        expect(accepted).toBeGreaterThan(different.includes(name) ? 0 : -1);
      },
    );
  });
});
