import { createRng, scoreTokens } from "@veridraft/core-probs";
import { type LoadedModel, loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { createByteTrie } from "@veridraft/tokenization";
import {
  ByteBeam,
  cutPrompt,
  healedByteLaw,
  naiveByteLaw,
  sampleBytes,
} from "@veridraft/tokenization/bytes";
import { afterAll, beforeAll, expect, test } from "vitest";

let loaded: LoadedModel;
beforeAll(async () => {
  loaded = await loadModel(smolLM2.path);
}, 60_000);
afterAll(() => loaded.model.dispose());

/** Cut at the bar, inside a word. */
const cuts = [
  "The capital of Fra|nce is Paris.",
  "She opened the windo|w and looked out.",
  "The children were playi|ng in the garden.",
  "The invest|igation took several months.",
];

test("a word is completed by all encodings better than by healing, by healing better than by the next token", async () => {
  const { model, tokenizer } = loaded;
  const trie = createByteTrie(tokenizer);
  const [start] = tokenizer.endIds;
  const loss = { naive: 0, healed: 0, exact: 0 };
  for (const cut of cuts) {
    const [before, after] = cut.split("|");
    const ids = [start, ...tokenizer.encode(before)];
    const { context, bytes } = cutPrompt(tokenizer, [start, before]);
    /* oxlint-disable no-await-in-loop -- one sequence after the other */
    const beam = await ByteBeam.open(model, trie, context);
    for (const byte of bytes) await beam.advance(byte);
    const next = after.charCodeAt(0);
    loss.exact -= Math.log(beam.next()[next]) / cuts.length;
    loss.naive -= Math.log((await naiveByteLaw(model, trie, ids))[next]) / cuts.length;
    loss.healed -= Math.log((await healedByteLaw(model, trie, ids))[next]) / cuts.length;
    /* oxlint-enable no-await-in-loop */
    beam.dispose();
  }
  expect(loss.exact).toBeLessThan(loss.healed + 0.01);
  expect(loss.healed).toBeLessThan(loss.naive - 2);
});

test("identifiers that are cut inside a token are completed", async () => {
  const { model, tokenizer } = loaded;
  const trie = createByteTrie(tokenizer);
  for (const line of ["    raise ValueErr|or", "import numpy as n|p", "def calculateAver|age"]) {
    const [before, after] = line.split("|");
    const { context, bytes } = cutPrompt(tokenizer, [0, before]);
    /* oxlint-disable no-await-in-loop -- one sequence after the other */
    const beam = await ByteBeam.open(model, trie, context);
    for (const byte of bytes) await beam.advance(byte);
    const next = after.charCodeAt(0);
    const exact = beam.next()[next];
    const said: number[] = [];
    const options = { temperature: 0, maxBytes: after.length };
    for await (const byte of sampleBytes(beam, options, createRng(1))) said.push(byte);
    const naive = await naiveByteLaw(model, trie, [0, ...tokenizer.encode(before)]);
    /* oxlint-enable no-await-in-loop */
    beam.dispose();
    expect(Buffer.from(said).toString()).toBe(after);
    expect(exact).toBeGreaterThan(1.2 * naive[next]);
  }
});

test("a text has at least the probability of its encoding, and hardly more", async () => {
  const { model, tokenizer } = loaded;
  const [start] = tokenizer.endIds;
  const text = "They went for a walk.";
  const beam = await ByteBeam.open(model, createByteTrie(tokenizer), [start]);
  // oxlint-disable-next-line no-await-in-loop -- bytes come one after the other
  for (const byte of Buffer.from(text)) await beam.advance(byte);
  const scores = await scoreTokens(model, [start, ...tokenizer.encode(text)]);
  const byTokens = scores.reduce((a, b) => a + b);
  // The last token, ".", may also be the beginning of a longer one: that is in the bytes only.
  expect(beam.logProb).toBeGreaterThan(byTokens - 0.01);
  expect(beam.logProb).toBeLessThan(byTokens + 1);
  beam.dispose();
});
