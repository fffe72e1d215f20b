/**
 * How close each weight format is to float32 on a text, beside llama.cpp on the same file.
 *
 * The text is cut into windows, each read by an empty sequence. Every token after the first of a window counts, scored under all tokens of the window
 * before it. A format is loaded beside float32 only while it is measured.
 */
import { readFile } from "node:fs/promises";
import { argmax, InvalidArgumentError, klDivergence, row, softmax } from "@veridraft/core-probs";
import {
  type LoadedModel,
  loadModel,
  type OnnxSequence,
  usableCpus,
  type WeightFormat,
  weightFormats,
} from "@veridraft/engine-onnx";
import { markdownTable } from "markdown-table";
import { z } from "zod";
import type { JsonProcess } from "./json-process.ts";
import { jsonOption, modelOptions } from "./options.ts";
import { llamaCpp, peerIsMissing, startPeer } from "./peer.ts";

/** Tokens that are read together from nothing; fits any model's context. */
const windowTokens = 512;
/** Tokens of one forward; bounds memory to so many rows of logits. */
const chunkTokens = 64;

export const qualityOptions = z.strictObject({
  model: modelOptions.shape.model,
  text: z.string().min(1).optional().describe("File with the text to measure on; needed."),
  weights: z
    .string()
    .default("int8,int8-64,row8")
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(weightFormats)))
    .describe("Formats of the weights, separated by commas."),
  maxTokens: z.int().min(2).optional().describe("Most tokens of the text; all where absent."),
  json: jsonOption,
});

/** The laws after each of `ids`, which follow those of the call before unless they begin a window. */
type Reader = (ids: Int32Array, begins: boolean) => Promise<Float32Array[]>;

/** What an engine makes of the text. */
interface Row {
  readonly engine: string;
  readonly perplexity: number;
  /** From float32 to the engine, in nats a token. */
  readonly meanKl: number;
  readonly p99Kl: number;
  /** Share of tokens at which both find the same next token most probable. */
  readonly sameArgmax: number;
}

/** `veridraft bench quality`. */
export async function benchQuality(flags: z.output<typeof qualityOptions>): Promise<void> {
  const { model, text, maxTokens, json } = flags;
  if (text === undefined) throw new InvalidArgumentError("bench quality needs --text FILE");
  const content = await readFile(text, "utf8");
  await withModel(model, "f32", async (f32) => {
    const ids = f32.tokenizer.encode(content).subarray(0, maxTokens);
    if (ids.length < 2) throw new InvalidArgumentError(`--text: ${text} has fewer than 2 tokens`);
    const reference = readerOf(f32);
    const rows = [await measure("f32", ids, reference, reference)];
    for (const weights of flags.weights) {
      if (weights === "f32") continue;
      await withModel(model, weights, async (loaded) => {
        rows.push(await measure(weights, ids, reference, readerOf(loaded)));
      });
    }
    const missing = peerIsMissing(llamaCpp);
    if (missing === null) {
      const peer = await startPeer(llamaCpp, model, usableCpus());
      try {
        rows.push(await measure("llama.cpp", ids, reference, peerReader(peer)));
      } finally {
        await peer.stop();
      }
    } else {
      process.stderr.write(`${missing}\n`);
    }
    const report = json ? JSON.stringify({ tokens: ids.length, rows }) : table(rows);
    process.stdout.write(`${report}\n`);
  });
}

/** Loads a model for as long as it is used. Idle threads do not spin, as another one runs in turn with it. */
async function withModel(
  path: string,
  weights: WeightFormat,
  use: (loaded: LoadedModel) => Promise<void>,
): Promise<void> {
  const loaded = await loadModel(path, { weights, spinning: false });
  try {
    await use(loaded);
  } finally {
    await loaded.model.dispose();
  }
}

function readerOf({ model }: LoadedModel): Reader {
  let sequence: OnnxSequence | null = null;
  return async (ids, begins) => {
    if (begins) {
      sequence?.dispose();
      sequence = await model.open();
    }
    const logits = await (sequence as OnnxSequence).forward(ids);
    sequence?.commit(ids.length);
    return Array.from(ids, (_, i) => softmax(row(logits, i)));
  };
}

function peerReader(peer: JsonProcess): Reader {
  return async (ids, begins) => {
    const request = { op: "laws", ids: Array.from(ids), begins };
    const { laws } = await peer.ask<{ laws: string[] }>(request);
    return laws.map((law) => new Float32Array(Uint8Array.from(Buffer.from(law, "base64")).buffer));
  };
}

async function measure(
  engine: string,
  ids: Int32Array,
  reference: Reader,
  reader: Reader,
): Promise<Row> {
  const divergences: number[] = [];
  let logProb = 0;
  let same = 0;
  for (let begin = 0; begin + 1 < ids.length; begin += windowTokens) {
    // The last token of a window is scored and not read.
    const end = Math.min(begin + windowTokens, ids.length) - 1;
    for (let at = begin; at < end; at += chunkTokens) {
      const part = ids.subarray(at, Math.min(at + chunkTokens, end));
      const expected = await reference(part, at === begin);
      const found = reader === reference ? expected : await reader(part, at === begin);
      for (const [i, law] of found.entries()) {
        divergences.push(klDivergence(expected[i], law));
        logProb += Math.log(law[ids[at + i + 1]]);
        if (argmax(law) === argmax(expected[i])) same++;
      }
      process.stderr.write(`${engine}: ${at + part.length + 1} of ${ids.length} tokens\n`);
    }
  }
  const count = divergences.length;
  const sorted = divergences.toSorted((a, b) => a - b);
  return {
    engine,
    perplexity: Math.exp(-logProb / count),
    meanKl: sorted.reduce((sum, value) => sum + value, 0) / count,
    p99Kl: sorted[Math.ceil(0.99 * count) - 1],
    sameArgmax: same / count,
  };
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ engine, perplexity, meanKl, p99Kl, sameArgmax }) => [
    engine,
    perplexity.toFixed(3),
    meanKl.toExponential(1),
    p99Kl.toExponential(1),
    `${(100 * sameArgmax).toFixed(1)} %`,
  ]);
  const header = ["", "perplexity", "mean KL", "p99 KL", "argmax as f32"];
  return markdownTable([header, ...lines], { align: ["l", "r", "r", "r", "r"] });
}
