import { ContextLengthError, InvalidArgumentError } from "./errors.ts";
import { logProbOf } from "./kernels.ts";
import { row } from "./matrix.ts";
import type { LanguageModel } from "./model.ts";

export interface ScoreOptions {
  readonly signal?: AbortSignal;
  /** Tokens of one forward; bounds memory to `chunk` rows of logits. Default 64. */
  readonly chunk?: number;
}

/**
 * Natural log of the probability of each id after the first, given all ids before it, under the model's own law (temperature 1, no truncation).
 *
 * @returns [ids.length - 1] entry i belongs to ids[i + 1].
 * @throws InvalidArgumentError for fewer than two ids; ContextLengthError where they do not fit the context.
 */
export async function scoreTokens(
  model: LanguageModel,
  ids: ArrayLike<number>,
  options: ScoreOptions = {},
): Promise<Float64Array> {
  const { signal, chunk = 64 } = options;
  if (ids.length < 2) {
    throw new InvalidArgumentError(`scoreTokens: needs at least 2 ids, got ${ids.length}`);
  }
  if (!Number.isInteger(chunk) || chunk < 1) {
    throw new InvalidArgumentError(
      `scoreTokens: chunk must be an integer of at least 1, got ${chunk}`,
    );
  }
  const { contextLength } = model;
  // The last id is scored, not fed.
  if (ids.length > contextLength + 1) {
    throw new ContextLengthError(
      `scoreTokens: ${ids.length} ids do not fit a context of ${contextLength}`,
    );
  }
  const tokens = Int32Array.from(ids);
  const logProbs = new Float64Array(tokens.length - 1);
  const sequence = await model.open();
  try {
    for (let start = 0; start < logProbs.length; start += chunk) {
      const inputs = tokens.subarray(start, Math.min(start + chunk, logProbs.length));
      const logits = await sequence.forward(inputs, { rows: "all", signal });
      for (let i = 0; i < inputs.length; i++) {
        logProbs[start + i] = logProbOf(row(logits, i), tokens[start + i + 1]);
      }
      sequence.commit(inputs.length);
    }
  } finally {
    sequence.dispose();
  }
  return logProbs;
}
