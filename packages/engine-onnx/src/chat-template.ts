/** Chat templates of model files, which are Jinja programs. */
import { Template } from "@huggingface/jinja";
import { InvalidArgumentError } from "@veridraft/core-probs";
import {
  type ChatTemplate,
  roles,
  type SequenceTokens,
  sequenceTokensFromGguf,
  type TokenizerConfigJson,
} from "@veridraft/tokenization";
import type { Gguf } from "./gguf.ts";

/**
 * Compiles a Jinja chat template.
 *
 * @param tokens What the template refers to as bos_token and eos_token.
 * @throws InvalidArgumentError where it does not parse.
 */
export function createChatTemplate(source: string, tokens: SequenceTokens = {}): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw failure("createChatTemplate: the template does not parse", cause);
  }
  return {
    source,
    render(messages, options) {
      if (messages.length === 0) {
        throw new InvalidArgumentError("render: a conversation needs one message or more, got 0");
      }
      for (const { role } of messages) {
        if (!(roles as readonly string[]).includes(role)) {
          throw new InvalidArgumentError(
            `render: role must be one of ${roles.join(", ")}, got "${String(role)}"`,
          );
        }
      }
      try {
        return template.render({
          messages: messages.map(({ role, content }) => ({ role, content })),
          add_generation_prompt: options?.addGenerationPrompt ?? true,
          bos_token: tokens.bosToken ?? "",
          eos_token: tokens.eosToken ?? "",
        });
      } catch (cause) {
        throw failure("render: the chat template refuses these messages", cause);
      }
    },
  };
}

/**
 * The chat template that a GGUF file holds; undefined for base models, which have none.
 *
 * @throws InvalidArgumentError where the template does not parse; ModelFileError where the metadata contradict themselves.
 */
export function chatTemplateFromGguf(metadata: Gguf["metadata"]): ChatTemplate | undefined {
  const source = metadata.get("tokenizer.chat_template");
  if (typeof source !== "string") return undefined;
  return createChatTemplate(source, sequenceTokensFromGguf(metadata));
}

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

/** One sentence, whatever the library said. */
function failure(what: string, cause: unknown): InvalidArgumentError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new InvalidArgumentError(`${what}: ${said.replaceAll(/\s+/g, " ").trim()}`, { cause });
}
