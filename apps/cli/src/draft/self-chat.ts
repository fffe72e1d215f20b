/**
 * Self-chat: a model invents a request and answers it, which shows what it says by itself; the data that its draft learns from.
 *
 * Half of the requests begin with one of the openings, all go on at temperature 1 among the 200 likeliest tokens; half of the answers are greedy, half
 * drawn at temperature 0.7. An answer ends at an end token, at its longest length, or where a phrase stands for the third time, as small models
 * repeat themselves without end. A conversation is a function of seed and number alone, so that any share of them can be made anywhere.
 */
import { createRng, InvalidArgumentError, type RngKey, type Sampling } from "@veridraft/core-probs";
import { encodePrompt, generate, type TextModel } from "@veridraft/spec-decoding";
import { openings } from "./openings.ts";

/** A request and its answer. */
export interface Conversation {
  readonly index: number;
  /** The rendered request, up to where the answer begins. */
  readonly prompt: readonly number[];
  /** Without an end token. */
  readonly answer: readonly number[];
  readonly ended: "stop" | "length" | "loop";
}

/** Tokens of the answers of conversations. */
export function tokensOf(conversations: readonly Conversation[]): number {
  return conversations.reduce((sum, { answer }) => sum + answer.length, 0);
}

/** Longest request, in tokens that the model adds to its opening, and longest answer. */
const longestRequest = 96;
const longestAnswer = 208;
/** A phrase of so many tokens at so many places is a loop. */
const phrase = 10;
const places = 3;

const asking: Partial<Sampling> = { temperature: 1, topK: 200 };
const answering: Partial<Sampling> = { temperature: 0.7 };

/**
 * Makes a conversation.
 *
 * @throws InvalidArgumentError for a model without a chat template that closes a message with an end token.
 */
export async function selfChat(
  textModel: TextModel,
  seed: number,
  index: number,
): Promise<Conversation> {
  const { model, tokenizer } = textModel;
  const key = createRng((BigInt(seed) << 32n) | BigInt(index));
  const opening = index % 2 === 0 ? "" : openings[(index >> 2) % openings.length];
  const turn = await run(textModel, opened(textModel, opening), longestRequest, key, asking);
  const content = (opening + tokenizer.decode(turn.ids, { special: "skip" })).trim() || "Hello";
  const prompt = encodePrompt(textModel, [{ role: "user", content }]);
  const sampling = index % 4 < 2 ? {} : answering;
  const { ids, ended } = await run({ model, tokenizer }, prompt, longestAnswer, key, sampling);
  return { index, prompt: [...prompt], answer: ids, ended };
}

/** The ids of a conversation in which the user has begun to speak. */
function opened(textModel: TextModel, content: string): Int32Array {
  const ids = encodePrompt(textModel, [{ role: "user", content }]);
  const end = ids.findLastIndex((id) => textModel.tokenizer.endIds.has(id));
  if (end < 1) {
    throw new InvalidArgumentError(
      "selfChat: the chat template of the model closes a message without an end token, so that it cannot invent one",
    );
  }
  return ids.subarray(0, end);
}

async function run(
  { model, tokenizer }: TextModel,
  prompt: Int32Array,
  maxTokens: number,
  key: RngKey,
  sampling: Partial<Sampling>,
): Promise<{ readonly ids: readonly number[]; readonly ended: Conversation["ended"] }> {
  const stopIds = [...tokenizer.endIds];
  const ids: number[] = [];
  const steps = generate(model, prompt, { key, maxTokens, sampling, stopIds });
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- a token hangs on the one before
    const { done, value } = await steps.next();
    if (done) return { ids, ended: value.finishReason };
    ids.push(...value.ids);
    if (loops(ids)) {
      // oxlint-disable-next-line no-await-in-loop -- ends the generation
      await steps.return(undefined as never);
      return { ids, ended: "loop" };
    }
  }
}

/**
 * Whether the last phrase stands at `places` places.
 *
 * @example loops([...Array(12).keys(), ...Array(12).keys(), ...Array(12).keys()]) // true
 */
export function loops(ids: readonly number[]): boolean {
  let found = 0;
  for (let end = ids.length; end >= phrase; end--) {
    let same = 0;
    while (same < phrase && ids[end - 1 - same] === ids[ids.length - 1 - same]) same++;
    if (same === phrase) found++;
  }
  return found >= places;
}
