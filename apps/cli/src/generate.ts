import { drawSeed, type Generated } from "./generator.ts";
import { openGenerator } from "./open-generator.ts";
import type { GenerateFlags } from "./options.ts";

/** `veridraft generate`. Ctrl-C ends the text; a second one ends the program at once. */
export async function generate(content: string, flags: GenerateFlags): Promise<void> {
  const generator = await openGenerator(flags);
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  const seed = flags.seed ?? drawSeed();
  try {
    const generated = await generator.generate({
      prompt: flags.raw ? content : [{ role: "user", content }],
      flags,
      seed,
      onText: (text) => void (flags.json || process.stdout.write(text)),
      signal: abort.signal,
    });
    if (flags.json) {
      process.stdout.write(`${JSON.stringify(report(generated, seed))}\n`);
      return;
    }
    process.stdout.write("\n");
    if (flags.logprobs !== undefined) {
      process.stdout.write(await logProbLines(generated, (ids) => generator.pieces(ids)));
    }
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    process.stdout.write("\n");
    process.exitCode = 1;
  } finally {
    await generator.dispose();
  }
}

/** The object that `--json` prints. */
function report({ text, ids, logProbs, ...rest }: Generated, seed: number): object {
  const withTop = logProbs.some(({ top }) => top.length > 0);
  return {
    text,
    tokens: ids,
    logProbs: logProbs.map(({ raw }) => raw),
    ...(withTop && { topLogProbs: logProbs.map(({ top }) => top) }),
    ...rest,
    seed,
  };
}

/** A line for each token: its log-probability, its text, and the likeliest tokens in its place. */
async function logProbLines(
  { ids, logProbs }: Generated,
  pieces: (ids: readonly number[]) => Promise<string[]>,
): Promise<string> {
  const all = [...ids, ...logProbs.flatMap(({ top }) => top.map(({ id }) => id))];
  const unique = [...new Set(all)];
  const texts = await pieces(unique);
  const quoted = new Map(unique.map((id, i) => [id, JSON.stringify(texts[i])]));
  const lines = ids.map((id, i) => {
    const { raw, top } = logProbs[i];
    const others = top.map((other) => `${quoted.get(other.id)} ${other.logProb.toFixed(4)}`);
    return `${[raw.toFixed(4).padStart(9), quoted.get(id), ...others].join("  ")}\n`;
  });
  return lines.join("");
}
