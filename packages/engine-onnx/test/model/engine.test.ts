import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { argmax, row } from "@veridraft/core-probs";
import { type LoadedModel, loadModel } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** "The capital of France is", then a start of its greedy continuation: real text, so that logits are as in use. */
const ids = [504, 3575, 282, 4649, 314, 7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32];

let cacheFolder: string;
let int8: LoadedModel;

beforeAll(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), "veridraft-engine-"));
  int8 = await loadModel(smolLM2.path, { cacheFolder });
}, 120_000);

afterAll(async () => {
  await int8.model.dispose();
  await rm(cacheFolder, { recursive: true });
});

describe("a sequence", () => {
  it("is bitwise independent of how tokens are cut into calls", async () => {
    expect(int8.exact).toBe(true);
    expect(int8.control).toBeGreaterThan(0);
    const sequence = await int8.model.open();
    const whole = await sequence.forward(ids);
    expect(sequence.length).toBe(0);
    let at = 0;
    for (const size of [1, 2, 3, 1, 5, 4]) {
      const part = await sequence.forward(ids.slice(at, at + size));
      for (let i = 0; i < size; i++) expect(row(part, i)).toEqual(row(whole, at + i));
      sequence.commit(size);
      at += size;
    }
    sequence.dispose();
  });

  it("runs a tree as its branches, within the rounding that quantized activations amplify", async () => {
    const sequence = await int8.model.open();
    await sequence.forward(ids.slice(0, 8));
    sequence.commit(8);
    const chain = await sequence.forward([504, 2988, 314]);
    const tree = await sequence.forwardTree([504, 42, 2988, 7042, 314], [-1, -1, 0, 1, 2]);
    for (const [node, position] of [
      [0, 0],
      [2, 1],
      [4, 2],
    ]) {
      expect(argmax(row(tree, node))).toBe(argmax(row(chain, position)));
    }
    sequence.commitPath([0, 2, 4]);
    expect(sequence.length).toBe(11);
    const after = await sequence.forward([42]);
    sequence.truncate(8);
    await sequence.forward([504, 2988, 314]);
    sequence.commit(3);
    const same = await sequence.forward([42]);
    expect(argmax(row(after, 0))).toBe(argmax(row(same, 0)));
    expect(() => sequence.commitPath([1])).toThrow(
      "commitPath: node 1 does not follow node -1 in the last forward",
    );
    sequence.dispose();
  });

  it("shares rows with its forks, and neither sees what the other adds", async () => {
    const sequence = await int8.model.open();
    await sequence.forward(ids.slice(0, 6));
    sequence.commit(6);
    const fork = sequence.fork();
    const [a, b] = [ids.slice(6, 9), ids.slice(9, 12)];
    await sequence.forward(a);
    sequence.commit(3);
    await fork.forward(b);
    fork.commit(3);
    const first = await sequence.forward([30, 31]);
    const second = await fork.forward([30, 31]);
    const fresh = await int8.model.open();
    for (const [tail, logits] of [
      [a, first],
      [b, second],
    ] as const) {
      await fresh.forward([...ids.slice(0, 6), ...tail]);
      fresh.commit(9);
      expect((await fresh.forward([30, 31])).data).toEqual(logits.data);
      fresh.truncate(0);
    }
    for (const each of [sequence, fork, fresh]) each.dispose();
  });

  it("leaves the caller's event loop free, and stops between chunks when aborted", async () => {
    const sequence = await int8.model.open();
    const prompt = Array.from({ length: 1000 }, (_, i) => ids[i % ids.length]);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await sequence.forward(prompt, { rows: "last" });
    delay.disable();
    // 99 of 100 turns: on a machine with as many busy threads as cores the last one is the scheduler's.
    expect(delay.percentile(99) / 1e6).toBeLessThan(20);
    const abort = new AbortController();
    const running = sequence.forward(prompt, { rows: "last", signal: abort.signal });
    abort.abort();
    await expect(running).rejects.toThrow(/aborted/);
    expect(sequence.length).toBe(0);
    sequence.dispose();
  });

  it("names bad input with value and bound", async () => {
    const sequence = await int8.model.open();
    await expect(sequence.forward([])).rejects.toThrow("forward: no ids were given");
    await expect(sequence.forward([49_152])).rejects.toThrow(
      "forward: ids must be in [0, 49151], got 49152 at 0",
    );
    await expect(sequence.forward(new Int32Array(8193))).rejects.toThrow(
      "forward: 0 + 8193 tokens are more than the context of 8192",
    );
    expect(() => sequence.commit(1)).toThrow(
      "commit: there is no forward that was not committed yet",
    );
    sequence.dispose();
    await expect(sequence.forward([1])).rejects.toThrow("forward: the sequence was disposed of");
  });
});

describe("the cache of converted models", () => {
  it("rebuilds a damaged entry and leaves no half-written one", { timeout: 60_000 }, async () => {
    const entry = (await readdir(cacheFolder)).find((name) => name.includes("-int8-")) as string;
    await truncate(join(cacheFolder, entry, "weights.bin"), 1000);
    const again = await loadModel(smolLM2.path, { cacheFolder });
    const sequence = await again.model.open();
    expect(argmax(row(await sequence.forward(ids, { rows: "last" }), 0))).toBe(33);
    await again.model.dispose();
    expect((await readdir(cacheFolder)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });
});
