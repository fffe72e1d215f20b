/** `veridraft draft train`: conversations, training and evaluation, one after the other; what an earlier run left is gone on from. */
import type { z } from "zod";
import { draftData, draftDataOptions } from "./data.ts";
import { draftEval, draftEvalOptions } from "./eval.ts";
import { draftFit, draftFitOptions } from "./fit.ts";

export const draftTrainOptions = draftFitOptions.extend({
  tokens: draftDataOptions.shape.tokens,
  seed: draftDataOptions.shape.seed,
  prompts: draftEvalOptions.shape.prompts,
  maxTokens: draftEvalOptions.shape.maxTokens,
  json: draftEvalOptions.shape.json,
});

/** All stages. */
export async function draftTrain(flags: z.output<typeof draftTrainOptions>): Promise<void> {
  await draftData({ ...flags, part: [0, 1] });
  if (await draftFit(flags)) await draftEval(flags);
}
