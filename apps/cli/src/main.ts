/** veridraft: generate, chat, score, tokenize, serve, bench and a demonstration, from the terminal. */
import { configure, draftServerCommand, runProgram } from "@veridraft/draft-server";
import { verifierServerCommand } from "@veridraft/verifier-server";
import { Command } from "commander";
import { bench, benchOptions } from "./bench.ts";
import { chat } from "./chat.ts";
import { demo } from "./demo.ts";
import { generate } from "./generate.ts";
import { generateOptions, modelOptions, prefix } from "./options.ts";
import { score, scoreOptions } from "./score.ts";
import { tokenize, tokenizeOptions } from "./tokenize.ts";

const program = new Command("veridraft").description(
  "Language models with speculative decoding, exactly the law of the target model.",
);
const add = (usage: string, description: string): Command =>
  program.command(usage).description(description);

configure(
  add("generate <prompt>", "text for a prompt, streamed"),
  generateOptions,
  prefix,
  (flags, prompt) => generate(prompt, flags),
);
configure(
  add("chat", "a conversation; Ctrl-C stops the answer, a second one leaves"),
  generateOptions.omit({ raw: true, json: true, logprobs: true }),
  prefix,
  (flags) => chat(generateOptions.parse(flags)),
);
configure(
  add("score <text>", "log-probability of each token of a text"),
  scoreOptions,
  prefix,
  (flags, text) => score(text, flags),
);
configure(
  add("tokenize <text>", "token ids and pieces of a text"),
  tokenizeOptions,
  prefix,
  (flags, text) => tokenize(text, flags),
);
configure(
  add("demo [prompt]", "answers three prompts over both servers, with and without speculation"),
  modelOptions,
  prefix,
  (flags, prompt) => demo(prompt, flags),
);
configure(
  add("bench", "plain and drafted tokens/s per kind of prompt, beside node-llama-cpp"),
  benchOptions,
  prefix,
  bench,
);
program
  .command("serve")
  .description("the servers, until SIGTERM")
  .addCommand(draftServerCommand())
  .addCommand(verifierServerCommand());

await runProgram(program);
