import { joinIds } from "./join-ids.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Who can speak in a conversation. */
export const roles = ["system", "user", "assistant", "tool"] as const;

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: (typeof roles)[number];
  readonly content: string;
}

/** How a conversation is rendered. */
export interface RenderOptions {
  /**
   * Ends with the header of the assistant's turn, so that the model answers.
   *
   * @default true
   */
  readonly addGenerationPrompt?: boolean;
}

/** A model's chat template. */
export interface ChatTemplate {
  readonly source: string;
  /**
   * The conversation as the model was trained to see it. To get ids, use {@link encodeChat}: message contents are in the result as they are, with
   * whatever control tokens they spell.
   *
   * @throws InvalidArgumentError for an unknown role, or with the template's own words.
   */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}

/**
 * Ids of a conversation: control tokens that the template writes become tokens, the same words inside a message stay text.
 *
 * While the template runs, each control token that a message spells is one private character; it is put back after the rendered text has been
 * cut at control tokens. BOS is there only if the template writes it.
 */
export function encodeChat(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options?: RenderOptions,
): Int32Array {
  const contents = messages.map(({ content }) => content).join("");
  const spelled = new Map<string, string>(); // private character -> the words it stands for
  let code = 0xf0000;
  const hidden = messages.map(({ role, content }) => {
    const parts = tokenizer.splitSpecial(content).map((part) => {
      if (typeof part === "string" || !tokenizer.isSpecial(part)) {
        return typeof part === "string" ? part : tokenizer.piece(part);
      }
      while (contents.includes(String.fromCodePoint(code))) code++;
      const mark = String.fromCodePoint(code++);
      spelled.set(mark, tokenizer.piece(part));
      return mark;
    });
    return { role, content: parts.join("") };
  });
  const rendered = template.render(hidden, options);
  const restore = (text: string): string =>
    spelled.size === 0
      ? text
      : text.replace(/[\u{f0000}-\u{10ffff}]/gu, (c) => spelled.get(c) ?? c);
  return joinIds(
    tokenizer
      .splitSpecial(rendered)
      .map((part) => (typeof part === "number" ? [part] : tokenizer.encode(restore(part)))),
  );
}
