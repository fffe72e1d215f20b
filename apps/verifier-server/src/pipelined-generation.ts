/** A generation that is drafted while it is verified, over a draft server: PEARL with one sequence of the target, DSI with two. */
import { createRng, type LanguageModel } from "@veridraft/core-probs";
import {
  bestChain,
  createDraftEnd,
  createTargetEnd,
  type Drafter,
  dsi,
  isChain,
  pearl,
  pipelineSteps,
  selectNodes,
  type Step,
  type Summary,
  type TargetEnd,
} from "@veridraft/spec-decoding";
import type { Generation } from "./convert.ts";
import type { RemoteDrafts } from "./remote-drafts.ts";

/** How the verifier drafts. */
export const pipelinings = ["none", "pearl", "dsi"] as const;
export type Pipelining = (typeof pipelinings)[number];

/** What a pipelined generation is made of. */
export interface PipelinedGeneration {
  readonly mode: Exclude<Pipelining, "none">;
  readonly model: LanguageModel;
  readonly ids: Int32Array;
  readonly generation: Generation;
  readonly stopIds: readonly number[];
  readonly drafts: RemoteDrafts;
  readonly signal: AbortSignal;
}

/** Generates step by step; the text of a seed is that of plain decoding. @throws what the target fails with; the signal's reason where it aborts. */
export async function* generatePipelined(
  pipelined: PipelinedGeneration,
): AsyncGenerator<Step, Summary, void> {
  const { mode, model, ids, generation, stopIds, drafts, signal } = pipelined;
  const { sampling, coupling, seed, maxTokens, numSpeculativeTokens } = generation;
  const key = createRng(seed);
  const { first } = drafts;
  const draft = createDraftEnd((last) => chainsOf(last ? drafts.next() : first), key);
  const targets: TargetEnd[] = [];
  let rounds: ReturnType<typeof pearl> | null = null;
  try {
    for (let i = 0; i < (mode === "dsi" ? 2 : 1); i++) {
      // oxlint-disable-next-line no-await-in-loop -- what was opened must be known where the next one fails
      targets.push(await createTargetEnd(model, sampling));
    }
    const { contextLength } = model;
    const options = { key, coupling, contextLength, maxTokens, stopIds, signal };
    const settings = { ...options, draftTokens: numSpeculativeTokens };
    rounds =
      mode === "dsi" ? dsi(draft, targets, ids, settings) : pearl(draft, targets[0], ids, settings);
    return yield* pipelineSteps(rounds, () => first.name);
  } finally {
    // A pipeline disposes its ends; what it never took up is left to us.
    first.dispose();
    if (!rounds) await Promise.all(targets.map((target) => target.dispose()));
  }
}

/** A pipeline verifies chains: of a tree of chosen tokens, the most confident one. */
function chainsOf(drafter: Drafter): Drafter {
  return {
    name: drafter.name,
    successors: 0,
    async propose(context) {
      const tree = await drafter.propose(context);
      return isChain(tree) ? tree : selectNodes(tree, bestChain(tree));
    },
    observe() {},
    dispose: () => drafter.dispose(),
  };
}
