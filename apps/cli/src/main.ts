/** veridraft: generate, chat, score, tokenize, serve, bench, pull models and a demonstration, from the terminal. */
import { configure, runProgram } from "@veridraft/draft-server";
import { Command } from "commander";
import { bench, benchOptions } from "./bench.ts";
import { benchEngine, benchEngineOptions } from "./bench-engine.ts";
import { benchQuality, qualityOptions } from "./bench-quality.ts";
import { benchSpeculation, benchSpeculationOptions } from "./bench-speculation.ts";
import { benchTraining, benchTrainingOptions } from "./bench-training.ts";
import { chat } from "./chat.ts";
import { checkLosslessCommand, checkLosslessOptions } from "./check-lossless.ts";
import { demo } from "./demo.ts";
import { draftData, draftDataOptions } from "./draft/data.ts";
import { draftEval, draftEvalOptions } from "./draft/eval.ts";
import { draftFit, draftFitOptions } from "./draft/fit.ts";
import { draftTrain, draftTrainOptions } from "./draft/train.ts";
import { generate } from "./generate.ts";
import { inspect, inspectOptions } from "./inspect.ts";
import { models, modelsOptions } from "./models.ts";
import { generateOptions, modelOptions, prefix, spelledOut } from "./options.ts";
import { pull, pullOptions } from "./pull.ts";
import { score, scoreOptions } from "./score.ts";
import { serveDraftCommand, serveVerifierCommand } from "./serve.ts";
import { tokenize, tokenizeOptions } from "./tokenize.ts";
import { trace, traceOptions } from "./trace.ts";

// A subcommand of a command has its own options, also those that both have.
const program = new Command("veridraft")
  .enablePositionalOptions()
  .description("Language models with speculative decoding, exactly the law of the target model.");
const add = (usage: string, description: string): Command =>
  program.command(usage).description(description);

configure(
  add("generate <prompt>", "text for a prompt, streamed"),
  generateOptions,
  prefix,
  (flags, prompt) => generate(prompt, spelledOut(flags)),
);
configure(
  add("chat", "a conversation; Ctrl-C stops the answer, a second one leaves"),
  generateOptions.omit({ raw: true, json: true, logprobs: true, prediction: true }),
  prefix,
  (flags) => chat(spelledOut(generateOptions.parse(flags))),
);
configure(
  add("score <text>", "log-probability of each token of a text"),
  scoreOptions,
  prefix,
  (flags, text) => score(text, flags),
);
configure(
  add("tokenize [text...]", "token ids and pieces of a text; trains and compares tokenizers"),
  tokenizeOptions,
  prefix,
  (flags, ...words) => tokenize(words, flags),
);
configure(
  add("trace", "traces for a small student to train on, proposed by a teacher"),
  traceOptions,
  prefix,
  trace,
);
configure(
  add("demo [prompt]", "answers three prompts over both servers, with and without speculation"),
  modelOptions,
  prefix,
  (flags, prompt) => demo(prompt, flags),
);
const benchCommand = configure(
  add("bench", "plain and drafted tokens/s per kind of prompt, beside node-llama-cpp"),
  benchOptions,
  prefix,
  bench,
).enablePositionalOptions();
configure(
  benchCommand
    .command("engine")
    .description("forwards, prompts, streams, load and memory, beside node-llama-cpp"),
  benchEngineOptions,
  prefix,
  benchEngine,
);
configure(
  benchCommand
    .command("quality")
    .description("perplexity of each weight format on a text, and how far it is from float32"),
  qualityOptions,
  prefix,
  benchQuality,
);
configure(
  benchCommand
    .command("speculation")
    .description("speed and tokens a forward of each drafter, by class of prompts"),
  benchSpeculationOptions,
  prefix,
  benchSpeculation,
);
configure(
  benchCommand
    .command("training")
    .description("training steps/s, beside PyTorch, jax-js and TensorFlow.js"),
  benchTrainingOptions,
  prefix,
  benchTraining,
);
configure(
  add("check-lossless", "whether drafting changes what the model says: a verdict with numbers"),
  checkLosslessOptions,
  prefix,
  checkLosslessCommand,
);
configure(
  add("pull <name>", "fetches owner/repository:file-or-quantization from the Hugging Face hub"),
  pullOptions,
  prefix,
  (flags, name) => pull(name, flags),
);
configure(add("models", "the pulled models"), modelsOptions, prefix, models);
configure(
  add("inspect <file>", "what a GGUF file is and whether the engine runs it"),
  inspectOptions,
  prefix,
  (flags, file) => inspect(file, flags),
);
const draftCommand = add("draft", "a draft model for a target, trained on what it says by itself");
configure(
  draftCommand.command("train").description("all of it: conversations, training, evaluation"),
  draftTrainOptions,
  prefix,
  draftTrain,
);
configure(
  draftCommand.command("data").description("conversations of the target with itself"),
  draftDataOptions,
  prefix,
  draftData,
);
configure(
  draftCommand.command("fit").description("trains the draft on the conversations of its folder"),
  draftFitOptions,
  prefix,
  async (flags) => void (await draftFit(flags)),
);
configure(
  draftCommand.command("eval").description("what the draft is worth, on prompts of six classes"),
  draftEvalOptions,
  prefix,
  draftEval,
);
program
  .command("serve")
  .description("the servers, until SIGTERM")
  .addCommand(serveDraftCommand())
  .addCommand(serveVerifierCommand());

await runProgram(program);
