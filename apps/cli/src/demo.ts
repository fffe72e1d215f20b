/** Two servers, three prompts: each answered with speculation and without, and what came of it. */
import type { z } from "zod";
import type { Generated, Generator } from "./generator.ts";
import { type GenerateFlags, generateOptions, type modelOptions } from "./options.ts";
import { openRemote } from "./remote.ts";
import { withServers } from "./server-process.ts";

const prompts = [
  "What is the capital of France, and what is it known for?",
  `Rewrite the following text and replace "fox" by "cat" everywhere:
The quick brown fox jumps over the lazy dog. The dog sleeps, and the fox runs into the forest. In the forest the fox meets another fox.`,
  "Write a Python function that returns the sum of all even numbers in a list.",
];
const maxTokens = 96;

/** `veridraft demo`, which `npm start` runs. */
export async function demo(
  prompt: string | undefined,
  flags: z.output<typeof modelOptions>,
): Promise<void> {
  const settings = generateOptions.parse({ ...flags, maxTokens });
  await withServers(flags, async (draft, verifier) => {
    process.stdout.write(`draft server on ${draft.address}\n`);
    process.stdout.write(`verifier server on ${verifier.address}\n`);
    const generator = openRemote(verifier.address);
    try {
      // The first call of a fresh server compiles code; it would be counted against whichever way of generating comes first.
      const silent = { prompt: "Hello", seed: 0, onText() {} };
      for (const drafter of [settings.drafter, "none"] as const) {
        await generator.generate({ ...silent, flags: { ...settings, drafter, maxTokens: 16 } });
      }
      for (const content of prompt === undefined ? prompts : [prompt]) {
        process.stdout.write(`\n> ${content}\n\n`);
        await compare(generator, content, settings);
      }
    } finally {
      await generator.dispose();
    }
  });
}

async function compare(
  generator: Generator,
  content: string,
  settings: GenerateFlags,
): Promise<void> {
  const answer = (flags: GenerateFlags, onText: (text: string) => void): Promise<Generated> =>
    generator.generate({ prompt: [{ role: "user", content }], flags, seed: 0, onText });
  const drafted = await answer(settings, (text) => void process.stdout.write(text));
  const plain = await answer({ ...settings, drafter: "none" }, () => {});
  const equal = drafted.ids.join() === plain.ids.join();
  const [speed, plainSpeed] = [drafted, plain].map(({ stats }) => stats.tokensPerSecond);
  process.stdout.write(
    `\n\n${drafted.ids.length} tokens, ${speed.toFixed(1)} tokens/s; ` +
      `without speculation ${plainSpeed.toFixed(1)} tokens/s; ratio ${(speed / plainSpeed).toFixed(2)}; ` +
      `mean acceptance length ${drafted.stats.meanAcceptanceLength.toFixed(2)}; ` +
      `text ${equal ? "equals" : "DIFFERS FROM"} plain greedy decoding\n`,
  );
  if (!equal) process.exitCode = 1;
}
