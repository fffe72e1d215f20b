import type { TextStep, TextSummary, TokenLogProb } from "@veridraft/spec-decoding";
import { drawSeed, openLocal } from "./local.ts";
import type { GenerateFlags } from "./options.ts";
import { generateRemote, reasonOf, withVerifier } from "./remote.ts";

/** `veridraft generate`. */
export async function generate(prompt: string, flags: GenerateFlags): Promise<void> {
  if (flags.verifier !== undefined) return generateAt(flags.verifier, prompt, flags);
  const local = await openLocal(flags);
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  const seed = flags.seed ?? drawSeed();
  try {
    const input = flags.raw ? prompt : [{ role: "user" as const, content: prompt }];
    const steps = local.generate(input, flags, seed, abort.signal);
    const logProbs: TokenLogProb[] = [];
    const summary = await drain(steps, (step) => {
      logProbs.push(...(step.logProbs ?? []));
      if (!flags.json) process.stdout.write(step.text);
    });
    if (flags.json) {
      process.stdout.write(`${JSON.stringify({ ...report(summary, logProbs), seed })}\n`);
      return;
    }
    process.stdout.write("\n");
    if (flags.logprobs !== undefined) printLogProbs(local.target.tokenizer, summary.ids, logProbs);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    process.stdout.write("\n");
    process.exitCode = 1;
  } finally {
    await local.dispose();
  }
}

/** The same by a verifier server. */
async function generateAt(address: string, prompt: string, flags: GenerateFlags): Promise<void> {
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  const seed = flags.seed ?? drawSeed();
  const input = flags.raw ? prompt : [{ role: "user" as const, content: prompt }];
  const show = (text: string): void => {
    if (!flags.json) process.stdout.write(text);
  };
  const { text, ids, logProbs, finished } = await withVerifier(address, (client) =>
    generateRemote(client, input, flags, seed, show, abort.signal),
  );
  if (!flags.json) {
    process.stdout.write("\n");
    return;
  }
  const { rounds, proposed, accepted, meanAcceptanceLength, drafter } = finished.stats ?? {};
  const { tokensPerSecond, usage } = finished;
  const stats = { rounds, proposed, accepted, meanAcceptanceLength, drafter, tokensPerSecond };
  const finishReason = reasonOf(finished);
  process.stdout.write(
    `${JSON.stringify({ text, tokens: ids, logProbs, finishReason, usage, stats, seed })}\n`,
  );
}

/** Runs a generation to its end and returns the summary. */
export async function drain(
  steps: AsyncGenerator<TextStep, TextSummary, void>,
  show: (step: TextStep) => void,
): Promise<TextSummary> {
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
    show(value);
  }
}

/** The object that `--json` prints. */
function report(summary: TextSummary, logProbs: readonly TokenLogProb[]): object {
  const { rounds, proposed, accepted, meanAcceptanceLength, drafter } = summary.statistics;
  return {
    text: summary.text,
    tokens: summary.ids,
    logProbs: logProbs.map(({ raw }) => raw),
    ...(logProbs.some(({ top }) => top.length > 0) && {
      topLogProbs: logProbs.map(({ top }) => top),
    }),
    finishReason: summary.finishReason,
    usage: { promptTokens: summary.promptTokens, completionTokens: summary.ids.length },
    stats: {
      rounds,
      proposed,
      accepted,
      meanAcceptanceLength,
      drafter,
      tokensPerSecond: summary.tokensPerSecond,
    },
  };
}

function printLogProbs(
  tokenizer: { piece(id: number): string },
  ids: readonly number[],
  logProbs: readonly TokenLogProb[],
): void {
  ids.forEach((id, i) => {
    const { raw, top } = logProbs[i];
    const others = top.map(
      (other) => `${JSON.stringify(tokenizer.piece(other.id))} ${other.logProb.toFixed(4)}`,
    );
    process.stdout.write(
      `${[raw.toFixed(4).padStart(9), JSON.stringify(tokenizer.piece(id)), ...others].join("  ")}\n`,
    );
  });
}
