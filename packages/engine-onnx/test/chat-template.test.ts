import { chatTemplateFromGguf, createChatTemplate, type Gguf } from "@veridraft/engine-onnx";
import type { ChatMessage } from "@veridraft/tokenization";
import { describe, expect, it } from "vitest";

/** ChatML, with a trim as many templates have. */
const template = createChatTemplate(
  "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + (m.content | trim) + '<|im_end|>\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
  { bosToken: "<s>" },
);
const user = (content: string): ChatMessage => ({ role: "user", content });

describe("createChatTemplate()", () => {
  it("renders messages and the header of the answer", () => {
    const messages = [user(" hi "), { role: "assistant", content: "yo" } as const];
    expect(template.render(messages, { addGenerationPrompt: false })).toBe(
      "<s><|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n",
    );
    expect(template.render([user("hi")])).toBe(
      "<s><|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  it("says in one sentence what is wrong", () => {
    const strict = createChatTemplate(
      "{{ raise_exception('Conversation roles\n must alternate') }}",
    );
    expect(() => strict.render([user("hi")])).toThrow(
      "render: the chat template refuses these messages: Conversation roles must alternate",
    );
    expect(() => createChatTemplate("{% for %}")).toThrow(
      /^createChatTemplate: the template does not parse: /,
    );
    expect(() => template.render([{ role: "root" as never, content: "" }])).toThrow(
      'render: role must be one of system, user, assistant, tool, got "root"',
    );
    expect(() => template.render([])).toThrow(
      "render: a conversation needs one message or more, got 0",
    );
    expect(() => strict.render([user("hi")])).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});

describe("chatTemplateFromGguf()", () => {
  const metadata: Gguf["metadata"] = new Map<string, string | string[] | number>([
    ["tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"],
    ["tokenizer.ggml.tokens", ["<s>", "</s>"]],
    ["tokenizer.ggml.eos_token_id", 1],
  ]);

  const changed = (key: string, value: number) => (): unknown =>
    chatTemplateFromGguf(new Map([...metadata, [key, value]]));

  it("gives the template the tokens that the file names", () => {
    expect(chatTemplateFromGguf(metadata)?.render([user("hi")])).toBe("hi</s>");
  });

  it("refuses metadata that contradict themselves", () => {
    expect(changed("tokenizer.ggml.bos_token_id", 2)).toThrow(
      "tokenizer.ggml.bos_token_id must be in [0, 2), got 2",
    );
    expect(changed("tokenizer.ggml.tokens", 2)).toThrow(
      "tokenizer.ggml.tokens must be an array of strings",
    );
  });
});
