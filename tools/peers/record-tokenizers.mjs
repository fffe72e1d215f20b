// Records the ids that llama.cpp gives for the small vocabularies of packages/tokenization/test/fixtures/make-vocabularies.py.
//
//   node tools/peers/record-tokenizers.mjs FOLDER
//
// llama-cpp-ids.json: by vocabulary the ids of every string, and of one of them with its control tokens, and for SentencePiece the text of the former; of byte-level
// BPE llama.cpp cleans the text up.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { loadLlama } from "./llama.mjs";

const folder = process.argv[2];
const fixtures = new URL("../../packages/tokenization/test/fixtures/", import.meta.url);
const { strings } = JSON.parse(readFileSync(new URL("vocabularies.json", fixtures), "utf8"));
const controls = strings.find((text) => text.includes("<end_of_turn>"));

const recorded = {};
for (const file of readdirSync(folder).toSorted()) {
  const { llama, model, versions } = await loadLlama(join(folder, file), { vocabOnly: true });
  recorded.versions = versions;
  const plain = strings.map((text) => Array.from(model.tokenize(text, false)));
  recorded[basename(file, ".gguf")] = {
    plain,
    special: model.tokenize(controls, true),
    ...(file.startsWith("llama.") && { texts: plain.map((ids) => model.detokenize(ids, true)) }),
  };
  await llama.dispose();
}
writeFileSync(new URL("llama-cpp-ids.json", fixtures), `${JSON.stringify(recorded)}\n`);
