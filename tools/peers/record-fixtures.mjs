// Records what llama.cpp does with the embedded model, for the tests of packages/engine-onnx.
//
//   npm ci --prefix tools/peers && node --import tsx tools/peers/record-fixtures.mjs
//
// llama-cpp-tokens.json: ids of the strings of token-strings.ts, one string a line, as base64 of varints.
// llama-cpp-greedy.json: five prompts and the 48 tokens that greedy decoding gives, or fewer where the model ends.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { embeddedModel, greedy, loadLlama } from "./llama.mjs";

const folder = new URL("../../packages/engine-onnx/test/fixtures/", import.meta.url);
const { tokenStrings } = await import(new URL("token-strings.ts", folder).href);
const maxTokens = 48;

const system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
const chat = (user) =>
  `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n`;

const prompts = [
  {
    name: "chat-summary",
    special: true,
    text: chat("Explain in three sentences why bread rises in the oven."),
  },
  {
    name: "chat-code",
    special: true,
    text: chat("Write a Python function that returns the largest number in a list."),
  },
  {
    name: "chat-list",
    special: true,
    text: chat("Name five things to pack for a week of hiking in the mountains."),
  },
  {
    name: "raw-story",
    special: false,
    text: "The lighthouse keeper climbed the last step, opened the door, and",
  },
  {
    name: "raw-code",
    special: false,
    text: 'def is_prime(n):\n    """Return True if n is a prime number."""\n',
  },
];

/** Little-endian base 128, seven bits a byte, the high bit set on all but the last byte of a number. */
function varints(ids) {
  const bytes = [];
  for (let id of ids) {
    for (; id > 127; id >>>= 7) bytes.push((id & 127) | 128);
    bytes.push(id);
  }
  return Buffer.from(bytes).toString("base64");
}

function write(name, value) {
  const lines = JSON.stringify(
    value,
    (_, item) => (item?.length && typeof item[0] === "number" ? `[${item}]` : item),
    1,
  );
  writeFileSync(new URL(name, folder), `${lines.replaceAll(/"(\[[\d,]+\])"/g, "$1")}\n`);
}

const { llama, model, versions } = await loadLlama(embeddedModel);

const strings = tokenStrings();
write("llama-cpp-tokens.json", {
  versions,
  stringsSha256: createHash("sha256").update(JSON.stringify(strings)).digest("hex"),
  ids: strings.map((text) => varints(model.tokenize(text, false))),
});

const context = await model.createContext({ contextSize: 2048, threads: 2 });
const sequence = context.getSequence();
const recorded = [];
for (const { name, special, text } of prompts) {
  const promptIds = model.tokenize(text, special);
  const ids = [];
  for await (const id of greedy(sequence, promptIds, maxTokens)) ids.push(id);
  recorded.push({ name, special, prompt: text, promptIds, ids, text: model.detokenize(ids, true) });
}
write("llama-cpp-greedy.json", { versions, threads: 2, maxTokens, prompts: recorded });
await llama.dispose();
