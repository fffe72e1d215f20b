import { type ChatTemplate, createChatTemplate } from "./chat-template.ts";
import type { TokenizerConfigJson } from "./tokenizer-json.ts";

/**
 * The chat template of a tokenizer_config.json: its only one, or of several the one named "default"; undefined for base models, which have none.
 *
 * @param file Text of a chat_template.jinja beside it, which comes first.
 * @throws InvalidArgumentError where the template does not parse.
 */
export function chatTemplateFromJson(
  config: TokenizerConfigJson,
  file?: string,
): ChatTemplate | undefined {
  const { chat_template: written, bos_token: bos, eos_token: eos } = config;
  const source =
    file ??
    (typeof written === "string" || written === undefined
      ? written
      : written.find(({ name }) => name === "default")?.template);
  if (source === undefined) return undefined;
  const textOf = (token: typeof bos): string =>
    (typeof token === "object" ? token?.content : token) ?? "";
  return createChatTemplate(source, { bosToken: textOf(bos), eosToken: textOf(eos) });
}
