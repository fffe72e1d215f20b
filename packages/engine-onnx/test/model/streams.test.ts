import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Matrix, row } from "@veridraft/core-probs";
import { type LoadedModel, loadModel, type OnnxSequence } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let loaded: LoadedModel;

beforeAll(async () => {
  loaded = await loadModel(smolLM2.path, { streams: 8, maxCacheBytes: 2 ** 28 });
}, 120_000);
afterAll(() => loaded.model.dispose());

const text = (seed: number, length: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * 7919 + seed * 131 + 13) % loaded.model.vocabSize);

/** Whether two rows are the same bit for bit; `toEqual` would take longer than the forward. */
function same(a: Float32Array, b: Float32Array): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  );
}

/** Runs a text in pieces; every row must be that of the whole text. */
async function inPieces(
  sequence: OnnxSequence,
  ids: Int32Array,
  sizes: readonly number[],
  whole: Matrix,
): Promise<void> {
  let at = 0;
  for (const size of sizes) {
    const part = await sequence.forward(ids.subarray(at, at + size));
    for (let i = 0; i < size; i++) expect(same(row(part, i), row(whole, at + i))).toBe(true);
    sequence.commit(size);
    at += size;
  }
}

describe("several streams", () => {
  it("give each its own logits, bit for bit, and run together", { timeout: 60_000 }, async () => {
    expect(loaded.exact).toBe(true);
    const { model } = loaded;
    const texts = Array.from({ length: 10 }, (_, i) => text(i, 40 + i));
    const wholes: Matrix[] = [];
    for (const ids of texts) {
      const sequence = await model.open();
      wholes.push(await sequence.forward(ids));
      sequence.dispose();
    }
    const before = await model.statistics();
    const sequences = await Promise.all(texts.map(() => model.open()));
    await Promise.all(
      sequences.map((sequence, i) =>
        inPieces(sequence, texts[i], [12 + i, 1, 3, 1, 1, 6, 2, 1, 8, 5], wholes[i]),
      ),
    );
    const after = await model.statistics();
    expect(after.forwards - before.forwards).toBe(100);
    // Ten streams in runs of eight.
    expect(after.runs - before.runs).toBeLessThan(35);
    for (const sequence of sequences) sequence.dispose();
  });

  it("are not held up by a long prompt", { timeout: 60_000 }, async () => {
    const { model } = loaded;
    const [long, stream] = await Promise.all([model.open(), model.open()]);
    await stream.forward(text(1, 20));
    stream.commit(20);
    const before = (await model.statistics()).runs;
    const prompt = long.forward(text(2, 1000), { rows: "last" });
    for (let i = 0; i < 5; i++) {
      await stream.forward([7, 8]);
      stream.commit(1);
    }
    // One run may have begun without the stream.
    expect((await model.statistics()).runs - before).toBeLessThanOrEqual(6);
    const last = await prompt;
    const alone = await model.open();
    expect(same(row(await alone.forward(text(2, 1000)), 999), row(last, 0))).toBe(true);
    for (const sequence of [long, stream, alone]) sequence.dispose();
  });

  it("leave the caller's event loop free under full load", { timeout: 60_000 }, async () => {
    const { model } = loaded;
    const sequences = await Promise.all(Array.from({ length: 9 }, () => model.open()));
    const [long, ...streams] = sequences;
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const prompt = long.forward(text(20, 1000), { rows: "last" });
    await Promise.all(
      streams.map(async (stream, i) => {
        for (let step = 0; step < 20; step++) {
          await stream.forward(text(21 + i + step, 1));
          stream.commit(1);
        }
      }),
    );
    await prompt;
    delay.disable();
    console.log(
      `lag: 99 % ${(delay.percentile(99) / 1e6).toFixed(1)} ms, most ${(delay.max / 1e6).toFixed(1)} ms`,
    );
    // 99 of 100 turns: with as many busy threads as cores the last one is the scheduler's.
    expect(delay.percentile(99) / 1e6).toBeLessThan(20);
    for (const sequence of sequences) sequence.dispose();
  });

  it("refuses what exceeds the bound, in one sentence, and runs the others", async () => {
    const { model } = loaded;
    const sequences: OnnxSequence[] = [];
    const open = async (): Promise<void> => {
      const sequence = await model.open();
      sequences.push(sequence);
      await sequence.forward(text(sequences.length, 300), { rows: "last" });
      sequence.commit(300);
    };
    const opened = await Promise.allSettled(Array.from({ length: 20 }, open));
    const refused = opened.filter(({ status }) => status === "rejected");
    // 18 times 320 rows of 46,080 bytes would have room, were there no growth for those that begin as earlier ones did.
    expect(refused.length).toBeGreaterThan(1);
    expect(refused.length).toBeLessThan(10);
    expect(refused[0]).toMatchObject({
      reason: {
        code: "RESOURCE_EXHAUSTED",
        message: expect.stringContaining("bound of 268435456"),
      },
    });
    for (const sequence of sequences) sequence.dispose();
    await open();
    sequences[20].dispose();
  });
});

describe("prompts that begin alike", () => {
  it("run only what is new, and give the same logits", async () => {
    const { model } = loaded;
    const first = await model.open();
    const before = await model.statistics();
    const turn = text(5, 200);
    await first.forward(turn, { rows: "last" });
    first.commit(200);
    await first.forward([1, 2, 3]);
    first.commit(3);
    first.dispose();
    const next = Int32Array.of(...turn, 1, 2, 3, 4, 5);
    const second = await model.open();
    const logits = await second.forward(next, { rows: "last" });
    second.commit(205);
    const after = await model.statistics();
    expect(after.rows - before.rows).toBe(200 + 3 + 2);
    expect(after.prefixRows - before.prefixRows).toBe(203);
    const alone = await model.open();
    expect(same(row(await alone.forward(next), 204), row(logits, 0))).toBe(true);
    const more = await second.forward([9, 10]);
    alone.commit(205);
    expect(same((await alone.forward([9, 10])).data, more.data)).toBe(true);
    for (const sequence of [second, alone]) sequence.dispose();
  });

  it("leave nothing behind that a later text could see", async () => {
    const { model } = loaded;
    const sequence = await model.open();
    await sequence.forward(text(6, 50), { rows: "last" });
    // Not committed: the next forward starts again from nothing.
    const other = await sequence.forward(text(7, 50));
    const fresh = await model.open();
    expect(same((await fresh.forward(text(7, 50))).data, other.data)).toBe(true);
    for (const each of [sequence, fresh]) each.dispose();
  });
});

it("frees the memory of what was cancelled", async () => {
  const { model } = loaded;
  const { sequences, cacheBytes } = await model.statistics();
  const sequence = await model.open();
  const abort = new AbortController();
  const running = sequence.forward(text(8, 2000), { rows: "last", signal: abort.signal });
  abort.abort();
  await expect(running).rejects.toThrow(/aborted/);
  sequence.dispose();
  expect(await model.statistics()).toMatchObject({ sequences, cacheBytes });
});
