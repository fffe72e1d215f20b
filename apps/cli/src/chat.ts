import { createInterface } from "node:readline/promises";
import type { ChatMessage } from "@veridraft/tokenization";
import { drain } from "./generate.ts";
import { drawSeed, openLocal } from "./local.ts";
import type { GenerateFlags } from "./options.ts";

/** `veridraft chat`: Ctrl-C stops the answer, a second one (or one at the prompt) leaves. */
export async function chat(flags: GenerateFlags): Promise<void> {
  const local = await openLocal(flags);
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: "> " });
  const messages: ChatMessage[] = [];
  let answering: AbortController | null = null;
  const interrupt = (): void => {
    if (answering && !answering.signal.aborted) answering.abort();
    else terminal.close();
  };
  terminal.on("SIGINT", interrupt);
  process.on("SIGINT", interrupt);
  try {
    terminal.prompt();
    for await (const line of terminal) {
      if (line.trim() !== "") {
        messages.push({ role: "user", content: line });
        answering = new AbortController();
        messages.push({ role: "assistant", content: await answer(answering.signal) });
        answering = null;
      }
      terminal.prompt();
    }
  } finally {
    process.off("SIGINT", interrupt);
    terminal.close();
    await local.dispose();
  }

  /** Streams an answer; what was said before an interruption stays in the conversation. */
  async function answer(signal: AbortSignal): Promise<string> {
    let text = "";
    try {
      const steps = local.generate(messages, flags, flags.seed ?? drawSeed(), signal);
      await drain(steps, (step) => {
        text += step.text;
        process.stdout.write(step.text);
      });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    process.stdout.write("\n");
    return text;
  }
}
