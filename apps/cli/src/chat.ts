import { createInterface } from "node:readline/promises";
import type { ChatMessage } from "@veridraft/tokenization";
import { drawSeed } from "./generator.ts";
import { openGenerator } from "./open-generator.ts";
import type { GenerateFlags } from "./options.ts";

/** `veridraft chat`: Ctrl-C stops the answer, a second one (or one at the prompt) leaves. */
export async function chat(flags: GenerateFlags): Promise<void> {
  const generator = await openGenerator(flags);
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
    await generator.dispose();
  }

  /** Streams an answer; what was said before an interruption stays in the conversation. */
  async function answer(signal: AbortSignal): Promise<string> {
    let said = "";
    const onText = (text: string): void => {
      said += text;
      process.stdout.write(text);
    };
    try {
      const seed = flags.seed ?? drawSeed();
      await generator.generate({ prompt: messages, flags, seed, onText, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    process.stdout.write("\n");
    return said;
  }
}
