import type { Tokenizer } from "./tokenizer.ts";

/** A prompt for laws over bytes. */
export interface BytePrompt {
  /** Ids of what is before the last boundary that no token crosses. */
  readonly context: Int32Array;
  /** What is after it: the encoding of these bytes is left open. */
  readonly bytes: Uint8Array;
}

/**
 * Cuts a prompt that may end inside a token before the last space that follows a character that is not white space; where there is none, before all of
 * its last text. Pre-tokenizers of the families that we read cut there, too, so nothing is lost.
 *
 * @param parts Texts, whose control tokens are text, and ids of control tokens, as `tokenizer.splitSpecial` gives them.
 * @example cutPrompt(tokenizer, [0, "The capital of Fra"]) // context: 0 and the ids of "The capital of", bytes: " Fra"
 */
export function cutPrompt(tokenizer: Tokenizer, parts: readonly (number | string)[]): BytePrompt {
  const last = parts.at(-1);
  const open = typeof last === "string" ? last : "";
  const at = lastBoundary(open);
  const closed = typeof last === "string" ? [...parts.slice(0, -1), open.slice(0, at)] : parts;
  const context = closed.flatMap((part) =>
    typeof part === "number" ? [part] : [...tokenizer.encode(part)],
  );
  return { context: Int32Array.from(context), bytes: new TextEncoder().encode(open.slice(at)) };
}

function lastBoundary(text: string): number {
  for (let at = text.length - 1; at > 0; at--) {
    if (text[at] === " " && /\S/u.test(text[at - 1])) return at;
  }
  return 0;
}

/** Control tokens of models that fill in the middle. */
export interface FillInMiddleIds {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
}

/**
 * The parts of a prompt to fill in what is between `before` and `after`, with the suffix first, so that the prompt ends with `before`, where the
 * completion goes on, perhaps inside a token.
 */
export function fillInMiddle(
  { prefix, suffix, middle }: FillInMiddleIds,
  before: string,
  after: string,
): (number | string)[] {
  return [prefix, suffix, after, middle, before];
}
