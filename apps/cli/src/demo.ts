/** Three prompts, each answered with speculation and without, and what came of it. */
import { drain } from "./generate.ts";
import { openLocal } from "./local.ts";
import { type GenerateFlags, generateOptions } from "./options.ts";

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
  flags: Pick<GenerateFlags, "model" | "weights">,
): Promise<void> {
  const settings = generateOptions.parse({ ...flags, maxTokens });
  const local = await openLocal(settings);
  try {
    for (const content of prompt === undefined ? prompts : [prompt]) {
      const messages = [{ role: "user" as const, content }];
      process.stdout.write(`\n> ${content}\n\n`);
      const drafted = await drain(local.generate(messages, settings, 0), ({ text }) =>
        process.stdout.write(text),
      );
      const plain = await drain(
        local.generate(messages, { ...settings, drafter: "none" }, 0),
        () => undefined,
      );
      const ratio = drafted.tokensPerSecond / plain.tokensPerSecond;
      process.stdout.write(
        `\n\n${drafted.ids.length} tokens, ${drafted.tokensPerSecond.toFixed(1)} tokens/s; ` +
          `without speculation ${plain.tokensPerSecond.toFixed(1)} tokens/s; ratio ${ratio.toFixed(2)}; ` +
          `mean acceptance length ${drafted.statistics.meanAcceptanceLength.toFixed(2)}; ` +
          `text ${drafted.text === plain.text ? "equals" : "DIFFERS FROM"} plain greedy decoding\n`,
      );
      if (drafted.text !== plain.text) process.exitCode = 1;
    }
  } finally {
    await local.dispose();
  }
}
