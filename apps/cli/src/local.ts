/** Generation inside this process. */
import { randomBytes } from "node:crypto";
import { createRng, InvalidArgumentError, type Sampling } from "@veridraft/core-probs";
import { type LoadedModel, loadModel } from "@veridraft/engine-onnx";
import {
  AdjacencyMatrix,
  createDraftModel,
  type Drafter,
  createPromptLookup,
  createSuffixDrafter,
  createTokenRecycling,
  generateText,
  SuffixStore,
  type TextStep,
  type TextSummary,
} from "@veridraft/spec-decoding";
import type { ChatMessage } from "@veridraft/tokenization";
import type { GenerateFlags } from "./options.ts";

/** A loaded target with what drafting keeps between generations. */
export interface Local {
  readonly target: LoadedModel;
  generate(
    prompt: string | readonly ChatMessage[],
    flags: GenerateFlags,
    seed: number,
    signal?: AbortSignal,
  ): AsyncGenerator<TextStep, TextSummary, void>;
  dispose(): Promise<void>;
}

/** A seed for a generation that was given none. */
export function drawSeed(): number {
  return randomBytes(4).readUInt32LE();
}

/** Loads the target, and the draft model where one is asked for. */
export async function openLocal(
  flags: Pick<GenerateFlags, "model" | "weights" | "drafter" | "draftModel">,
): Promise<Local> {
  if (flags.drafter === "model" && flags.draftModel === undefined) {
    throw new InvalidArgumentError("--drafter model needs --draft-model FILE");
  }
  const target = await loadModel(flags.model, { weights: flags.weights });
  const draft =
    flags.drafter === "model"
      ? await loadModel(flags.draftModel as string, { threads: 1, spinning: false })
      : null;
  if (draft && draft.tokenizer.sha256 !== target.tokenizer.sha256) {
    throw new InvalidArgumentError(
      `the tokenizers differ: target ${target.tokenizer.sha256}, draft ${draft.tokenizer.sha256}`,
    );
  }
  const store = new SuffixStore();
  const matrix = new AdjacencyMatrix(target.model.vocabSize);
  const createDrafter = async (each: GenerateFlags): Promise<Drafter | null> => {
    switch (each.drafter) {
      case "none":
        return null;
      case "prompt-lookup":
        return createPromptLookup();
      case "suffix":
        return createSuffixDrafter(store);
      case "recycling":
        return createTokenRecycling(matrix);
      case "model":
        return createDraftModel((draft as LoadedModel).model, {
          sampling: samplingOf(each),
          coupling: each.coupling,
        });
    }
  };
  return {
    target,
    async *generate(prompt, each, seed, signal) {
      return yield* generateText(target, prompt, {
        key: createRng(seed),
        maxTokens: each.maxTokens,
        sampling: samplingOf(each),
        stop: each.stop,
        drafter: await createDrafter(each),
        coupling: each.coupling,
        branching: target.exactTrees,
        costs: target.costs,
        numSpeculativeTokens: each.numSpeculativeTokens,
        logProbs: each.logprobs ?? (each.json ? 0 : undefined),
        signal,
      });
    },
    async dispose() {
      await target.model.dispose();
      await draft?.model.dispose();
    },
  };
}

function samplingOf(flags: GenerateFlags): Partial<Sampling> {
  const { temperature, topK, topP, minP, repetitionPenalty } = flags;
  return { temperature, topK, topP, minP, repetitionPenalty };
}
