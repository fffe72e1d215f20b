import { InvalidArgumentError, type LanguageModel, scoreTokens } from "@veridraft/core-probs";
import type { RsdTrace } from "./rsd.ts";

/** Why a trace is left out: it did not end by itself, the student fell back too often, or its answer is wrong. */
export type TraceFault = "endless" | "fallback" | "wrong";

/**
 * The first fault of a trace; null for one to train on.
 *
 * @param right Whether the answer is the wanted one, its marks included. @param maxFallback Largest share of tokens that fell back.
 */
export function judgeTrace(
  { stopped, fallbackRate }: Pick<RsdTrace, "stopped" | "fallbackRate">,
  right: () => boolean,
  maxFallback = 0.5,
): TraceFault | null {
  if (!stopped) return "endless";
  if (fallbackRate > maxFallback) return "fallback";
  return right() ? null : "wrong";
}

/** The shortest trace without a fault (see {@link judgeTrace}); null where there is none. */
export function selectTrace(
  traces: readonly RsdTrace[],
  right: (trace: RsdTrace) => boolean,
  maxFallback = 0.5,
): RsdTrace | null {
  let best: RsdTrace | null = null;
  for (const trace of traces) {
    const valid = judgeTrace(trace, () => right(trace), maxFallback) === null;
    if (valid && (best === null || trace.ids.length < best.ids.length)) best = trace;
  }
  return best;
}

/**
 * What the last `\boxed{…}` of a text holds, braces matched; null where there is none, or it does not close.
 *
 * @example boxedAnswer("so \\boxed{\\frac{1}{2}}.") // "\\frac{1}{2}"
 */
export function boxedAnswer(text: string): string | null {
  const mark = "\\boxed{";
  const start = text.lastIndexOf(mark);
  if (start < 0) return null;
  let depth = 1;
  for (let at = start + mark.length; at < text.length; at++) {
    if (text[at] === "{") depth++;
    if (text[at] === "}" && --depth === 0) return text.slice(start + mark.length, at);
  }
  return null;
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
