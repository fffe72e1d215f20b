/** Makes the drafter of a session from what all sessions share. */
import type { LanguageModel, Sampling } from "@veridraft/core-probs";
import {
  AdjacencyMatrix,
  type Coupling,
  createDraftModel,
  createPromptLookup,
  createSuffixDrafter,
  createTokenRecycling,
  type Drafter,
  SuffixStore,
} from "@veridraft/spec-decoding";
import type { DrafterName } from "./config.ts";

/** What a drafter must know of its generation. */
export interface DraftedGeneration {
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
}

/** The drafters of a server; what they learn outlives a session. */
export class Drafters {
  /** The preferred one first. */
  readonly offered: readonly DrafterName[];
  readonly #make: Readonly<
    Record<DrafterName, (generation: DraftedGeneration) => Promise<Drafter>>
  >;

  constructor({ preferred, vocabSize, storeTokens, draftModel }: DrafterOptions) {
    const store = new SuffixStore(storeTokens);
    const matrix = new AdjacencyMatrix(vocabSize);
    this.#make = {
      suffix: async () => createSuffixDrafter(store),
      "prompt-lookup": async () => createPromptLookup(),
      recycling: async () => createTokenRecycling(matrix),
      model: async ({ sampling, coupling }) => {
        if (!draftModel) throw new Error("Drafters: no draft model");
        return createDraftModel(draftModel, { sampling, coupling });
      },
    };
    const lookUps = ["suffix", "prompt-lookup", "recycling"] as const;
    const all: DrafterName[] = draftModel ? [...lookUps, "model"] : [...lookUps];
    this.offered = [preferred, ...all.filter((name) => name !== preferred)];
  }

  /** The name of the drafter for a wish, "" being none; undefined where it is not offered. */
  choose(wish: string): DrafterName | undefined {
    return wish === "" ? this.offered[0] : this.offered.find((name) => name === wish);
  }

  /** A drafter of one generation. */
  create(name: DrafterName, generation: DraftedGeneration): Promise<Drafter> {
    return this.#make[name](generation);
  }
}
