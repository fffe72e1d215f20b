/** veridraft: generate, chat, score, tokenize, serve and a demonstration, from the terminal. */
import { isProbsError } from "@veridraft/core-probs";
import { Command, CommanderError } from "commander";
import { chat } from "./chat.ts";
import { demo } from "./demo.ts";
import { generate } from "./generate.ts";
import { addFlags, generateOptions, modelOptions, parseFlags } from "./options.ts";
import { serveCommand } from "./serve.ts";
import { score, scoreOptions } from "./score.ts";
import { tokenize, tokenizeOptions } from "./tokenize.ts";

const program = new Command("veridraft")
  .description("Language models with speculative decoding, exactly the law of the target model.")
  .exitOverride()
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "veridraft: ")),
  });

addFlags(program.command("generate").argument("<prompt>"), generateOptions)
  .description("text for a prompt, streamed")
  .action((prompt: string, flags) => generate(prompt, parseFlags(generateOptions, flags)));
addFlags(program.command("chat"), generateOptions.omit({ raw: true, json: true, logprobs: true }))
  .description("a conversation; Ctrl-C stops the answer, a second one leaves")
  .action((flags) => chat(parseFlags(generateOptions, flags)));
addFlags(program.command("score").argument("<text>"), scoreOptions)
  .description("log-probability of each token of a text")
  .action((text: string, flags) => score(text, parseFlags(scoreOptions, flags)));
addFlags(program.command("tokenize").argument("<text>"), tokenizeOptions)
  .description("token ids and pieces of a text")
  .action((text: string, flags) => tokenize(text, parseFlags(tokenizeOptions, flags)));
addFlags(program.command("demo").argument("[prompt]"), modelOptions)
  .description("answers three prompts with and without speculation and compares")
  .action((prompt: string | undefined, flags) => demo(prompt, parseFlags(modelOptions, flags)));
program.addCommand(serveCommand());

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are no errors; commander has written the sentence already.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    const badArgument =
      isProbsError(error) && (error.code === "INVALID_ARGUMENT" || error.code === "CONTEXT_LENGTH");
    process.stderr.write(`veridraft: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = badArgument ? 2 : 1;
  }
}
