// Encoding speed with the vocabulary of the embedded model: veridraft, @huggingface/tokenizers and llama.cpp (node-llama-cpp).
//
//   node --conditions=@veridraft/source --import tsx tools/peers/bench-tokenizer.mjs
//
// English: the README files of the installed packages; code: their JavaScript files; 1 MB each. "cold" is the first pass, "warm" the median of
// five more over the same text. One process, one after the other.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { embeddedModel, loadLlama } from "./llama.mjs";

// By name at run time: this folder is not part of the workspace.
const workspace = (name) => import(name);
const { readGguf } = await workspace("@veridraft/engine-onnx");
const { tokenizerFromGguf, toTokenizerJson } = await workspace("@veridraft/tokenization");
const { Tokenizer: HuggingFaceTokenizer } = await workspace("@huggingface/tokenizers");

const installed = fileURLToPath(new URL("../../node_modules/", import.meta.url));
function gather(pattern, bytes) {
  let text = "";
  const paths = readdirSync(installed, { recursive: true }).filter((path) => pattern.test(path));
  for (const path of paths.toSorted()) {
    if (text.length >= bytes) break;
    if (!statSync(installed + path).isFile()) continue;
    text += readFileSync(installed + path, "utf8").slice(0, 100_000);
  }
  return text.slice(0, bytes).toWellFormed();
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
function time(run) {
  const start = performance.now();
  run();
  return performance.now() - start;
}

const { metadata } = await readGguf(embeddedModel);
const { llama, model, versions } = await loadLlama(embeddedModel, { vocabOnly: true });
const loads = Array.from({ length: 5 }, () => time(() => tokenizerFromGguf(metadata)));
const ours = tokenizerFromGguf(metadata);
const reference = new HuggingFaceTokenizer(toTokenizerJson(ours), {});
const encoders = {
  veridraft: (text) => ours.encode(text),
  "@huggingface/tokenizers": (text) => reference.encode(text).ids,
  "llama.cpp": (text) => model.tokenize(text, false),
};

console.log(`${cpus()[0].model}, Node ${process.version}, node-llama-cpp ${versions.nodeLlamaCpp}`);
console.log(`load: first ${loads[0].toFixed(0)} ms, median ${median(loads).toFixed(0)} ms`);
const texts = { English: gather(/(^|\/)readme\.md$/i, 1e6), code: gather(/\.m?js$/, 1e6) };
for (const [kind, text] of Object.entries(texts)) {
  const megabytes = Buffer.byteLength(text) / 1e6;
  for (const [name, encode] of Object.entries(encoders)) {
    const cold = time(() => encode(text));
    const warm = median(Array.from({ length: 5 }, () => time(() => encode(text))));
    const speed = (ms) => `${((1000 * megabytes) / ms).toFixed(2)} MB/s`;
    const expected = ours.count(text.slice(0, 100_000));
    const same = encode(text.slice(0, 100_000)).length === expected ? "" : "  (other count of ids)";
    console.log(`${kind}: ${name}: cold ${speed(cold)}, warm ${speed(warm)}${same}`);
  }
}
for (const [kind, piece] of Object.entries({ a: "a", _: "_", space: " ", ab: "ab" })) {
  const text = piece.repeat(80_000 / piece.length);
  const row = Object.entries(encoders).map(
    ([name, encode]) => `${name} ${time(() => encode(text)).toFixed(1)} ms`,
  );
  console.log(`80,000 characters of "${kind}": ${row.join(", ")}`);
}
await llama.dispose();
