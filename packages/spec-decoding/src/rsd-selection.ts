import { InvalidArgumentError, type LanguageModel, scoreTokens } from "@veridraft/core-probs";
import type { RsdTrace } from "./rsd.ts";

/**
 * The shortest trace that ended by itself, fell back at no more than `maxFallback` of its tokens and is right; null where there is none.
 *
 * @param right Whether the answer of a trace is the wanted one, its marks included.
 */
export function selectTrace(
  traces: readonly RsdTrace[],
  right: (trace: RsdTrace) => boolean,
  maxFallback = 0.5,
): RsdTrace | null {
  let best: RsdTrace | null = null;
  for (const trace of traces) {
    const valid = trace.stopped && trace.fallbackRate <= maxFallback && right(trace);
    if (valid && (best === null || trace.ids.length < best.ids.length)) best = trace;
  }
  return best;
}

/** How hard a text is for a student: the share of tokens of less probability than `threshold`, and the mean of -ln p. */
export function surprise(
  probs: ArrayLike<number>,
  threshold = 0.01,
): { share: number; meanSurprisal: number } {
  if (probs.length === 0) throw new InvalidArgumentError("surprise: no probabilities");
  let low = 0;
  let sum = 0;
  for (let i = 0; i < probs.length; i++) {
    if (probs[i] < threshold) low++;
    sum -= Math.log(probs[i]);
  }
  return { share: low / probs.length, meanSurprisal: sum / probs.length };
}

/** {@link surprise} of a text after a prompt, in one scoring pass of the student. */
export async function surpriseOf(
  student: LanguageModel,
  prompt: readonly number[],
  ids: readonly number[],
  threshold = 0.01,
): Promise<{ share: number; meanSurprisal: number }> {
  const scores = await scoreTokens(student, [...prompt, ...ids]);
  return surprise(scores.slice(prompt.length - 1).map(Math.exp), threshold);
}
