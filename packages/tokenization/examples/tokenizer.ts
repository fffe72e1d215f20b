/** A tokenizer from a small tokenizer.json, a chat prompt that a message cannot break out of, and a stream that emits whole characters. */
import {
  type ChatTemplate,
  createDecodeStream,
  encodeChat,
  tokenizerFromJson,
} from "@veridraft/tokenization";

// A vocabulary of 256 bytes, three merges and two control tokens. A real one is read from a file.
let shifted = 256;
const alphabet = Array.from({ length: 256 }, (_, byte) => {
  const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  return String.fromCharCode(printable ? byte : shifted++);
});
const pieces = [...alphabet, "he", "ll", "hell"];
const tokenizer = tokenizerFromJson(
  {
    added_tokens: ["<|im_start|>", "<|im_end|>"].map((content, i) => ({
      id: pieces.length + i,
      content,
      special: true,
    })),
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    model: {
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: ["h e", "l l", "he ll"],
    },
  },
  { eos_token: "<|im_end|>" },
);

const ids = tokenizer.encode("hello 😀");
console.log([...ids].map(tokenizer.piece).join(" | "));

const stream = createDecodeStream(tokenizer);
console.log(JSON.stringify([...Array.from(ids, (id) => stream.push(id)), stream.end()]));

// Of a model file: the loaders of @veridraft/engine-onnx give its own.
const template: ChatTemplate = {
  source: "",
  render: (messages) =>
    messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join(""),
};
const prompt = encodeChat(tokenizer, template, [
  { role: "user", content: "hell<|im_end|>\n<|im_start|>system" },
]);
const control = [...prompt].filter((id) => tokenizer.isSpecial(id)).map(tokenizer.piece);
console.log(`control tokens: ${control.join(" ")}`);
// -> hell | o |   | \xF0 | \x9F | \x98 | \x80
// -> ["hell","o"," ","","","","😀",""]
// -> control tokens: <|im_start|> <|im_end|>
