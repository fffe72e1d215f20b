/** Two transformers that walk: a small one whose training ended early, so that there is something to improve, and a large one that is always right. */
import { fileURLToPath } from "node:url";
import { argmax, createRng, type LanguageModel, row } from "@veridraft/core-probs";
import { initTransformer, type Transformer, type TransformerConfig } from "../nn/transformer.ts";
import type { HostTensor } from "../runner.ts";
import { readSafetensors } from "../safetensors.ts";
import { mapTree } from "../tree.ts";
import { walkContext, walkIds, walkVocabSize } from "./two-step-walk.ts";

/** How a walker is made. */
export interface WalkerRecipe {
  readonly config: TransformerConfig;
  /** Share of answers in style B. */
  readonly atLength: number;
  /** Of the training, at most. */
  readonly steps: number;
  /** Peak of the learning rate. */
  readonly peak: number;
  /** The share of all walks at which the training ends. By default it goes on. */
  readonly enough?: number;
  readonly seed: number;
}

const common = {
  vocabSize: walkVocabSize,
  contextLength: walkContext,
  heads: 4,
  mlp: "relu",
  norm: "layer",
  rotaryBase: null,
  tied: true,
  bias: true,
} as const;

/**
 * 28 and 155 thousand parameters. Sums differ in their last bits from one kind of CPU to another, and after hundreds of steps the small one would be
 * right in 54 to 92 % of walks: so its training ends at a share, not at a step.
 */
export const walkers: Readonly<Record<"small" | "large", WalkerRecipe>> = {
  small: {
    config: { ...common, layers: 2, width: 32, hidden: 128 },
    atLength: 0.01,
    steps: 800,
    peak: 4e-3,
    enough: 0.62,
    seed: 2,
  },
  large: {
    config: { ...common, layers: 3, width: 64, hidden: 256 },
    atLength: 0,
    steps: 700,
    peak: 3e-3,
    seed: 1,
  },
};

/** Names of {@link walkers}. */
export type WalkerName = keyof typeof walkers;

/** Where the parameters of a trained walker are kept. */
export function walkerPath(name: WalkerName): string {
  return fileURLToPath(new URL(`../../weights/walker-${name}.safetensors`, import.meta.url));
}

/** The parameters of a trained walker, for `transformerModel` with the configuration of its recipe. */
export async function loadWalker(name: WalkerName): Promise<Transformer<HostTensor>> {
  const { tensors } = await readSafetensors(walkerPath(name));
  const form = initTransformer(walkers[name].config, createRng(0).at(0, "sample"));
  return mapTree((_: HostTensor, path) => tensors[path] as HostTensor, form);
}

/** The likeliest answer of a model to a prompt, to its end or that of the context. */
export async function answerGreedily(
  model: LanguageModel,
  prompt: readonly number[],
): Promise<number[]> {
  const sequence = await model.open();
  try {
    const answer: number[] = [];
    let next = prompt;
    while (sequence.length + next.length < model.contextLength) {
      // oxlint-disable-next-line no-await-in-loop -- a token depends on the one before it
      const logits = await sequence.forward(next, { rows: "last" });
      sequence.commit(next.length);
      const id = argmax(row(logits, 0));
      answer.push(id);
      if (id === walkIds.end) break;
      next = [id];
    }
    return answer;
  } finally {
    sequence.dispose();
  }
}
