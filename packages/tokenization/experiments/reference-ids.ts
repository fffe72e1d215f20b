/**
 * Ids of 10 MB of mixed text, beside those of the reference of each vocabulary that an npm package carries: tiktoken's own encoder for gpt2, cl100k and
 * o200k, `@huggingface/tokenizers` for SmolLM2, llama3-tokenizer-js for Llama 3, and llama-tokenizer-js for the SentencePiece vocabulary of Llama 2.
 *
 * The references that split with JavaScript's regular expressions count U+FEFF as white space and U+0085 not, so these two are only in the texts for
 * tiktoken.
 */
import { readFileSync } from "node:fs";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { createRng } from "@veridraft/core-probs";
import { loadTokenizer } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import {
  createTokenizer,
  tiktokenEncodings,
  type Tokenizer,
  tokenizerFromJson,
  tokenizerFromTiktoken,
  toTokenizerJson,
} from "@veridraft/tokenization";
import llama2 from "llama-tokenizer-js";
import llama3 from "llama3-tokenizer-js";
import { get_encoding as getEncoding } from "tiktoken";
import cl100k from "tiktoken/encoders/cl100k_base.json" with { type: "json" };
import o200k from "tiktoken/encoders/o200k_base.json" with { type: "json" };
import r50k from "tiktoken/encoders/r50k_base.json" with { type: "json" };
import { unpackRanks } from "../test/vocabularies.ts";

const megabytes = 10;
const rng = createRng(2026).at(0, "sample");
const pick = <T>(list: readonly T[]): T => list[Math.floor(rng.uniform() * list.length)];

const words = readFileSync(new URL("../LICENSE", import.meta.url), "utf8").split(/\s+/);
const code = readFileSync(new URL("../src/tokenizer.ts", import.meta.url), "utf8").split("\n");
const names = ["ar", "de", "el", "fa", "he", "hi", "ja", "ko", "ru", "th", "vi", "zh"].map(
  (locale) => new Intl.DisplayNames([locale], { type: "region" }),
);
const regions = [
  "BR",
  "CN",
  "DE",
  "EG",
  "FR",
  "GR",
  "ID",
  "IL",
  "IN",
  "IR",
  "JP",
  "KR",
  "RU",
  "TH",
];
const characters =
  " \t\n\r\u00a0\u3000\u200b\0'’/.!_-$+0179½²٣ⅧéÉßǅʰªñΩωא\u0301\u20dd😀👩\u200d🦰𝐀𝒷𐐀𐐨";
const groups = ["'s", "'LL", "'Ve", "\r\n", "   ", "\n\n ", "\ud800", "\udc00", "____", "===="];
const odd = [...characters, ...groups];

/** A character that has been in Unicode for long: the references know other versions of it. */
function anyCharacter(): string {
  const character = String.fromCodePoint(Math.floor(rng.uniform() * 0x11_0000));
  return /\P{Cn}/u.test(character) && character < "\u{2ebf0}" ? character : "";
}

/** A text of a few hundred characters. */
function mixed(more: readonly string[]): string {
  const parts: string[] = [];
  for (let i = 0; i < 60; i++) {
    const kind = rng.uniform();
    if (kind < 0.4) parts.push(" ", pick(words));
    else if (kind < 0.55) parts.push(pick(code), "\n");
    else if (kind < 0.75) parts.push(pick(names).of(pick(regions)) ?? "", pick([" ", ", ", "\n"]));
    else if (kind < 0.8) parts.push(String(Math.floor(rng.uniform() * 1e6)));
    else if (kind < 0.82) parts.push(anyCharacter());
    else parts.push(pick(odd).repeat(1 + Math.floor(rng.uniform() ** 4 * 9)), pick(more));
  }
  return parts.join("");
}

function compare(
  name: string,
  tokenizer: Tokenizer,
  reference: (text: string) => ArrayLike<number>,
  more: readonly string[] = [""],
): void {
  let bytes = 0;
  let texts = 0;
  let differences = 0;
  for (; bytes < megabytes * 1e6; texts++) {
    const text = mixed(more).replaceAll(/\p{Surrogate}/gu, "\ufffd");
    bytes += Buffer.byteLength(text);
    const ids = tokenizer.encode(text);
    const expected = reference(text);
    const same = ids.length === expected.length && ids.every((id, i) => id === expected[i]);
    if (same) continue;
    differences++;
    if (differences === 1) console.log(JSON.stringify(text));
  }
  console.log(`${name}: ${differences} differences in ${(bytes / 1e6).toFixed(0)} MB`);
}

const openAI = [
  ["r50k_base", r50k],
  ["cl100k_base", cl100k],
  ["o200k_base", o200k],
] as const;
for (const [name, { bpe_ranks: ranks }] of openAI) {
  const encoding = getEncoding(name);
  const tokenizer = tokenizerFromTiktoken(unpackRanks(ranks), tiktokenEncodings[name]);
  const plain = (text: string): Uint32Array => encoding.encode_ordinary(text);
  compare(name, tokenizer, plain, ["", "", "\x85", "\ufeff"]);
}

const smol = await loadTokenizer(smolLM2.path);
const smolReference = new HuggingFaceTokenizer({ ...toTokenizerJson(smol), added_tokens: [] }, {});
compare("SmolLM2", smol, (text) => smolReference.encode(text).ids);

const llama3Split = tokenizerFromTiktoken(unpackRanks(r50k.bpe_ranks), { pattern: "cl100k" });
const llama3Json = {
  ...toTokenizerJson(llama3Split),
  added_tokens: [],
  model: {
    type: "BPE",
    ignore_merges: true,
    vocab: Object.fromEntries(llama3.vocabById.slice(0, 128_000).map((piece, id) => [piece, id])),
    merges: [...llama3.merges.keys()],
  },
};
const withoutEnds = { bos: false, eos: false };
const llama3Reference = (text: string): number[] => llama3.encode(text, withoutEnds);
compare("Llama 3", tokenizerFromJson(llama3Json), llama3Reference);

// In the model's file, the score of a piece is minus its id but for a constant, and runs of blanks come last.
const llama2Tokenizer = createTokenizer({
  pieces: llama2.vocabById,
  scores: llama2.vocabById.map((piece, id) => (/^▁▁+$/.test(piece) ? -1e9 : -id)),
  specialIds: new Set([0, 1, 2]),
  userDefinedIds: new Set(),
  addSpacePrefix: true,
  addBos: true,
  bosId: 1,
  eosId: 2,
  endIds: new Set([2]),
});
const llama2Reference = (text: string): number[] => llama2.encode(text, false);
compare("Llama 2, SentencePiece", llama2Tokenizer, llama2Reference);
// -> r50k_base: 0 differences in 10 MB
// -> cl100k_base: 0 differences in 10 MB
// -> o200k_base: 0 differences in 10 MB
// -> SmolLM2: 0 differences in 10 MB
// -> Llama 3: 0 differences in 10 MB
// -> Llama 2, SentencePiece: 0 differences in 10 MB
