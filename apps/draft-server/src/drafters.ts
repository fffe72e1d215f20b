/** Makes the drafter of a session from what all sessions share. */
import type { DraftHead, LanguageModel, Sampling } from "@veridraft/core-probs";
import {
  AdjacencyMatrix,
  Calibration,
  type Coupling,
  createCombination,
  createDraftHead,
  createDraftModel,
  createFirstOf,
  createNgramCache,
  createPromptLookup,
  createSuffixDecoding,
  createSuffixDrafter,
  createTokenRecycling,
  type Drafter,
  type DrafterName,
  drafterNames,
  learnText,
  type LookupConfig,
  NgramCounts,
  SuffixStore,
  type Warn,
} from "@veridraft/spec-decoding";

/** What a drafter must know of its generation. */
export interface DraftedGeneration extends LookupConfig {
  readonly sampling: Partial<Sampling>;
  readonly coupling: Coupling;
}

/** What a server drafts with. */
export interface DrafterOptions {
  /** For callers that do not choose. */
  readonly preferred: DrafterName;
  readonly vocabSize: number;
  /** Tokens of past generations that are kept. Default that of `SuffixStore`. */
  readonly storeTokens?: number;
  /** Null where `model` is not offered. */
  readonly draftModel: LanguageModel | null;
  /** Trained for the target; null where `head` is not offered. */
  readonly head: DraftHead | null;
  /** Told when one of several drafters fails. Default: a warning of the process. */
  readonly warn?: Warn;
}

/** The confidence of suffix in a token after a match of two, which is worth more than a guess of a model. */
const matchOfTwo = 2 / 3;

/** The drafters of a server; what they learn outlives a session. */
export class Drafters {
  /** The preferred one first. */
  readonly offered: readonly DrafterName[];
  readonly #matrix: AdjacencyMatrix;
  readonly #head: DraftHead | null;
  readonly #draftModel: LanguageModel | null;
  readonly #make: Readonly<
    Record<DrafterName, (generation: DraftedGeneration) => Promise<Drafter>>
  >;

  constructor({ preferred, vocabSize, storeTokens, draftModel, head, warn }: DrafterOptions) {
    this.#head = head;
    this.#draftModel = draftModel;
    const store = new SuffixStore(storeTokens);
    const matrix = new AdjacencyMatrix(vocabSize);
    this.#matrix = matrix;
    const counts = new NgramCounts();
    const calibrations = [new Calibration(), new Calibration()];
    const modelDrafter = async ({ sampling, coupling }: DraftedGeneration): Promise<Drafter> => {
      if (!draftModel) throw new Error("Drafters: no draft model");
      return createDraftModel(draftModel, { sampling, coupling });
    };
    const headDrafter = async (generation: DraftedGeneration): Promise<Drafter> => {
      if (!head) throw new Error("Drafters: no draft head");
      return createDraftHead(head, generation);
    };
    const guessing = draftModel ? modelDrafter : head && headDrafter;
    this.#make = {
      auto: async (generation) => {
        const suffix = createSuffixDrafter(store);
        if (!guessing) return suffix;
        return createFirstOf([suffix, await guessing(generation)], matchOfTwo);
      },
      suffix: async () => createSuffixDrafter(store),
      "suffix-decoding": async ({ suffixDecoding }) => createSuffixDecoding(store, suffixDecoding),
      "prompt-lookup": async ({ promptLookup }) => createPromptLookup(promptLookup),
      "ngram-cache": async (generation) => createNgramCache(counts, generation),
      recycling: async () => createTokenRecycling(matrix),
      combined: async () =>
        createCombination(
          [createSuffixDrafter(store), createTokenRecycling(matrix)],
          calibrations,
          warn,
        ),
      head: headDrafter,
      model: modelDrafter,
    };
    const missing = [...(head ? [] : ["head"]), ...(draftModel ? [] : ["model"])];
    const others = drafterNames.filter((name) => name !== preferred);
    this.offered = [preferred, ...others.filter((name) => !missing.includes(name))];
  }

  /** The name of the drafter for a wish, "" being none; undefined where it is not offered. */
  choose(wish: string): DrafterName | undefined {
    return wish === "" ? this.offered[0] : this.offered.find((name) => name === wish);
  }

  /** The head that a drafter has; null for one without. */
  headOf(name: DrafterName): DraftHead | null {
    return name === "head" || (name === "auto" && !this.#draftModel) ? this.#head : null;
  }

  /**
   * Fills what `recycling` and `combined` know from a text of the target's, at the price of reading it; others have nothing to learn.
   *
   * @throws as `learnText`.
   */
  async learn(
    name: DrafterName,
    target: LanguageModel,
    ids: ArrayLike<number>,
    signal?: AbortSignal,
  ): Promise<void> {
    if (name === "recycling" || name === "combined") {
      await learnText(this.#matrix, target, ids, signal);
    }
  }

  /** A drafter of one generation. */
  create(name: DrafterName, generation: DraftedGeneration): Promise<Drafter> {
    return this.#make[name](generation);
  }
}
