/** Text in, text out: the generate loop between a chat template or a plain prompt and a stream of whole characters. */
import { InvalidArgumentError, type LanguageModel, type TreeSequence } from "@veridraft/core-probs";
import {
  type ChatMessage,
  type ChatTemplate,
  createDecodeStream,
  encodeChat,
  type Tokenizer,
} from "@veridraft/tokenization";
import type { GenerateOptions, TokenLogProb } from "./generate-options.ts";
import { generate, type Step, type Summary } from "./generate.ts";

/** A model that speaks text. */
export interface TextModel {
  readonly model: LanguageModel<TreeSequence>;
  readonly tokenizer: Tokenizer;
  /** Absent for a model that only continues text. */
  readonly chatTemplate?: ChatTemplate;
}

/** Options of {@link generateText}; the end tokens of the tokenizer stop a text. */
export interface GenerateTextOptions extends Omit<GenerateOptions, "stopIds"> {
  /** Text ends before the first of these strings. Default none. */
  readonly stop?: readonly string[];
}

/** What one forward added. */
export interface TextStep {
  /** Whole characters only; may be empty while one, or a stop string, is under way. */
  readonly text: string;
  readonly ids: readonly number[];
  readonly logProbs?: readonly TokenLogProb[];
}

/** How a text ended. */
export interface TextSummary extends Summary {
  readonly text: string;
  readonly promptTokens: number;
  /** Tokens per second of the text after the first one, prompt excluded. */
  readonly tokensPerSecond: number;
}

/**
 * Ids of a prompt: plain text as it stands, or a conversation rendered with the model's template. Control tokens inside the caller's words stay text.
 *
 * @throws InvalidArgumentError for an empty prompt, or a conversation without a template.
 */
export function encodePrompt(
  { tokenizer, chatTemplate }: Omit<TextModel, "model">,
  prompt: string | readonly ChatMessage[],
): Int32Array {
  if (typeof prompt !== "string") {
    if (!chatTemplate) {
      throw new InvalidArgumentError(
        "generateText: the model has no chat template; give plain text instead of messages",
      );
    }
    return encodeChat(tokenizer, chatTemplate, prompt);
  }
  if (prompt === "") throw new InvalidArgumentError("generateText: the prompt is empty");
  const ids = tokenizer.encode(prompt);
  return tokenizer.addBos && tokenizer.bosId !== undefined
    ? Int32Array.of(tokenizer.bosId, ...ids)
    : ids;
}

/**
 * Generates text, piece by piece; returns how it ended.
 *
 * @throws InvalidArgumentError, ContextLengthError and the signal's reason as `generate`.
 */
export async function* generateText(
  textModel: TextModel,
  prompt: string | readonly ChatMessage[],
  options: GenerateTextOptions,
): AsyncGenerator<TextStep, TextSummary, void> {
  const { model, tokenizer } = textModel;
  const { stop = [], ...rest } = options;
  const ids = encodePrompt(textModel, prompt);
  const steps = generate(model, ids, { ...rest, stopIds: [...tokenizer.endIds] });
  return yield* streamText(steps, tokenizer, ids.length, stop);
}

/**
 * The text of steps, as {@link generateText} gives it; ends them where a stop string comes.
 *
 * @param steps Those of `generate` or of `pipelineSteps`. @param promptTokens Reported only. @param stop Text ends before the first of these strings.
 */
export async function* streamText(
  steps: AsyncGenerator<Step, Summary, void>,
  tokenizer: Tokenizer,
  promptTokens: number,
  stop: readonly string[] = [],
): AsyncGenerator<TextStep, TextSummary, void> {
  const stream = createDecodeStream(tokenizer, { stop, skipSpecial: true });
  const ids: number[] = [];
  let text = "";
  let firstAt = 0;
  const end = (summary: Summary): TextSummary => {
    const seconds = (performance.now() - firstAt) / 1000;
    const tokensPerSecond = ids.length > 1 ? (ids.length - 1) / seconds : 0;
    return { ...summary, text, promptTokens, tokensPerSecond };
  };
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) {
        const tail = stream.end();
        text += tail;
        if (tail !== "") yield { text: tail, ids: [] };
        return end(value);
      }
      if (ids.length === 0) firstAt = performance.now();
      let piece = "";
      let used = 0;
      while (used < value.ids.length && !stream.stopped) piece += stream.push(value.ids[used++]);
      text += piece;
      ids.push(...value.ids.slice(0, used));
      const step = { text: piece, ids: value.ids.slice(0, used) };
      yield value.logProbs ? { ...step, logProbs: value.logProbs.slice(0, used) } : step;
      if (stream.stopped) {
        return end({ finishReason: "stop", stopId: null, ids, statistics: value.statistics });
      }
    }
  } finally {
    // Wherever the reader stops, between two forwards: the steps free what they hold.
    await steps.return({} as Summary);
  }
}
