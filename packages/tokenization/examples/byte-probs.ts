/** A prompt that ends inside a token: what the next byte is by the next token, by token healing, and by all encodings of the prompt. */
import { forwardModel } from "@veridraft/core-probs/testing";
import { createByteTrie, createPreTokenizer, createTokenizer } from "@veridraft/tokenization";
import { ByteBeam, healedByteLaw, naiveByteLaw } from "@veridraft/tokenization/bytes";

// The source says "abcd" six times in ten and "abab" four times: as tokens, a bcd and ab ab.
const pieces = ["a", "b", "c", "d", "bc", "bcd", "ab", "<start>", "<end>"];
const tokenizer = createTokenizer({
  pieces,
  merges: ["b c", "bc d", "a b"],
  specialIds: new Set([7, 8]),
  userDefinedIds: new Set(),
  preTokenizer: createPreTokenizer({ type: "ByteLevel" }),
  normalizer: undefined,
  ignoreMerges: false,
  bosId: 7,
  eosId: 8,
  endIds: new Set([8]),
  addBos: true,
});
const laws: Record<string, number[]> = {
  "<start>": [0.6, 0, 0, 0, 0, 0, 0.4, 0, 0],
  "<start> a": [0, 0, 0, 0, 0, 1, 0, 0, 0],
  "<start> ab": [0, 0, 0, 0, 0, 0, 1, 0, 0],
};
const end = [0, 0, 0, 0, 0, 0, 0, 0, 1];
const model = forwardModel({
  vocabSize: pieces.length,
  contextLength: 16,
  async run(committed, tokens) {
    const rows = Array.from(tokens, (_, i) => {
      const history = [...committed, ...tokens.subarray(0, i + 1)];
      return laws[history.map((id) => pieces[id]).join(" ")] ?? end;
    });
    const data = Float32Array.from(rows.flat(), Math.log);
    return { data, rows: rows.length, cols: pieces.length };
  },
});

const trie = createByteTrie(tokenizer);
const prompt = [7, ...tokenizer.encode("ab")];
const beam = await ByteBeam.open(model, trie, [7]);
for (const byte of Buffer.from("ab")) await beam.advance(byte);
for (const [name, law] of [
  ["next token", await naiveByteLaw(model, trie, prompt)],
  ["token healing", await healedByteLaw(model, trie, prompt)],
  ["all encodings", beam.next()],
] as const) {
  const shown = [..."abcd"].map((letter) => `${letter} ${law[letter.charCodeAt(0)].toFixed(2)}`);
  console.log(`${name}: ${shown.join(", ")}`);
}
// -> next token: a 1.00, b 0.00, c 0.00, d 0.00
// -> token healing: a 1.00, b 0.00, c 0.00, d 0.00
// -> all encodings: a 0.40, b 0.00, c 0.60, d 0.00
