/**
 * What a head is trained on: for the last token of each prompt and every token of its answer, the target's hidden states there and its likeliest next tokens, by the engine that
 * will serve it, since another precision has other states.
 *
 * `features.bin` holds records of one size, a conversation's one after another; a line of `features.jsonl` is added when its conversation is written. A record: the hidden
 * states of each layer over their root mean square, as halves; the token; ids and probabilities of the likeliest next ones.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { type Matrix, InvalidArgumentError, row, softmax, topK } from "@veridraft/core-probs";
import { fromHalves, type LoadedModel, toHalves } from "@veridraft/engine-onnx";
import { z } from "zod";
import { resumeLines } from "../json-lines.ts";
import { type EngineFlags, loadEngines } from "./engines.ts";
import { TokenProgress } from "./progress.ts";
import { type Conversation, tokensOf } from "./self-chat.ts";

/** Layers whose hidden states stand side by side. */
const layers = 3;
/** Likeliest tokens that are kept. */
export const likeliest = 16;

const files = { records: "features.bin", index: "features.jsonl" } as const;

/** A conversation in the file. */
const segment = z.strictObject({
  index: z.int().min(0),
  /** Its first record, and how many there are: one more than its answer has tokens. */
  start: z.int().min(0),
  count: z.int().min(1),
  tapWidth: z.int().min(1),
});
export type Segment = z.output<typeof segment>;

/** What is known at a token. */
export interface FeatureRecord {
  /** [tapWidth] */
  readonly taps: Float32Array;
  readonly token: number;
  /** [likeliest] ids and probabilities of what the target says next. */
  readonly ids: Int32Array;
  readonly probs: Float32Array;
}

const bytesOf = (tapWidth: number): number => 2 * tapWidth + 4 + 8 * likeliest;

/** Writes the features of conversations, in their order; those that an earlier run wrote are kept, also where they are more. */
export async function writeFeatures(
  folder: string,
  conversations: readonly Conversation[],
  flags: EngineFlags,
): Promise<void> {
  const written = await resumeLines(join(folder, files.index), segment);
  written.slice(0, conversations.length).forEach(({ index }, i) => {
    if (index === conversations[i].index) return;
    throw new InvalidArgumentError(
      `draft: ${join(folder, files.index)} is of other conversations than those of the folder; remove it and ${files.records}`,
    );
  });
  const left = conversations.slice(written.length);
  if (left.length === 0) return;
  const before = tokensOf(conversations.slice(0, written.length));
  const progress = new TokenProgress("features", before, tokensOf(conversations));
  const engines = await loadEngines(flags);
  const records = await open(join(folder, files.records), "a");
  const lines = await open(join(folder, files.index), "a");
  try {
    const { start: last = 0, count = 0 } = written.at(-1) ?? {};
    let start = last + count;
    const { tapWidth } = engines[0].model;
    await records.truncate(start * bytesOf(tapWidth));
    await inOrder(left, engines, recordsOf, async (bytes, { index, answer }) => {
      await records.appendFile(bytes);
      const line: Segment = { index, start, count: answer.length + 1, tapWidth };
      await lines.appendFile(`${JSON.stringify(line)}\n`);
      start += line.count;
      progress.add(answer.length);
    });
  } finally {
    await records.close();
    await lines.close();
    await Promise.all(engines.map(({ model }) => model.dispose()));
  }
}

/** Works on items with several workers, and passes what comes of them on in the order of the items. */
async function inOrder<T, W, R>(
  items: readonly T[],
  workers: readonly W[],
  work: (item: T, worker: W) => Promise<R>,
  write: (result: R, item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let turn = Promise.resolve();
  await Promise.all(
    workers.map(async (worker) => {
      while (next < items.length) {
        const item = items[next++];
        const result = work(item, worker);
        const before = turn;
        turn = (async () => {
          await before;
          await write(await result, item);
        })();
        // oxlint-disable-next-line no-await-in-loop -- a worker does one thing at a time
        await result;
      }
    }),
  );
  await turn;
}

async function recordsOf(
  { prompt, answer }: Conversation,
  { model }: LoadedModel,
): Promise<Uint8Array> {
  const sequence = await model.openTapped();
  try {
    const bytes = Buffer.alloc((answer.length + 1) * bytesOf(model.tapWidth));
    const opening = await sequence.forward(prompt, { rows: "last" });
    sequence.commit(prompt.length);
    writeRecords(bytes, 0, prompt.slice(-1), opening, sequence.taps);
    if (answer.length > 0) {
      const rows = await sequence.forward(answer);
      writeRecords(bytes, 1, answer, rows, sequence.taps);
    }
    return bytes;
  } finally {
    sequence.dispose();
  }
}

function writeRecords(
  bytes: Buffer,
  first: number,
  tokens: readonly number[],
  logits: Matrix,
  taps: Matrix,
): void {
  tokens.forEach((token, i) => {
    const at = (first + i) * bytesOf(taps.cols);
    const halves = toHalves(evened(row(taps, i)));
    bytes.set(new Uint8Array(halves.buffer), at);
    const law = softmax(row(logits, i));
    const ids = topK(law, likeliest);
    bytes.writeInt32LE(token, at + 2 * taps.cols);
    ids.forEach((id, j) => {
      bytes.writeInt32LE(id, at + 2 * taps.cols + 4 + 4 * j);
      bytes.writeFloatLE(law[id], at + 2 * taps.cols + 4 + 4 * likeliest + 4 * j);
    });
  });
}

/** Each layer over its root mean square, which the head norms away: so that halves hold it. */
function evened(taps: Float32Array): Float32Array {
  const width = taps.length / layers;
  const scales = Array.from({ length: layers }, (_, layer) => {
    const own = taps.subarray(layer * width, (layer + 1) * width);
    return Math.sqrt(own.reduce((sum, value) => sum + value * value, 0) / width) || 1;
  });
  return taps.map((value, i) => value / scales[Math.floor(i / width)]);
}

/** The features of conversations. */
export class Features {
  readonly segments: readonly Segment[];
  private readonly file: FileHandle;

  private constructor(segments: readonly Segment[], file: FileHandle) {
    this.segments = segments;
    this.file = file;
  }

  /** Those of the first `count` conversations. @throws InvalidArgumentError where there are none. */
  static async open(folder: string, count: number): Promise<Features> {
    const segments = (await resumeLines(join(folder, files.index), segment)).slice(0, count);
    if (segments.length === 0) {
      throw new InvalidArgumentError(`draft: ${folder} has no conversations; run draft data`);
    }
    return new Features(segments, await open(join(folder, files.records)));
  }

  get tapWidth(): number {
    return this.segments[0].tapWidth;
  }

  /** `count` records from `start` on. */
  async read(start: number, count: number): Promise<FeatureRecord[]> {
    const { tapWidth } = this;
    const size = bytesOf(tapWidth);
    const buffer = new ArrayBuffer(count * size);
    await this.file.read(new Uint8Array(buffer), 0, buffer.byteLength, start * size);
    return Array.from({ length: count }, (_, i) => {
      const at = i * size;
      return {
        taps: fromHalves(new Uint16Array(buffer, at, tapWidth)),
        token: new Int32Array(buffer, at + 2 * tapWidth, 1)[0],
        ids: new Int32Array(buffer, at + 2 * tapWidth + 4, likeliest),
        probs: new Float32Array(buffer, at + 2 * tapWidth + 4 + 4 * likeliest, likeliest),
      };
    });
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
