import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { concat, gather, jit, type Tensor } from "@veridraft/autodiff";
import { type Transformer, transformBlocks } from "@veridraft/autodiff/nn";
import {
  createGraphRunner,
  type LoadedModel,
  loadModel,
  readTransformer,
} from "@veridraft/engine-onnx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyFolders } from "./onnx-folders.ts";

const llama = fileURLToPath(new URL("fixtures/gguf/llama.gguf", import.meta.url));
const ids = Array.from({ length: 20 }, (_, i) => (i * 97 + 13) % 259);

let folder: string;
let loaded: LoadedModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-taps-"));
  const options = { weights: "f32", streams: 2, threads: 1, spinning: false } as const;
  loaded = await loadModel(llama, { ...options, cacheFolder: join(folder, "cache") });
});
afterAll(async () => {
  await loaded.model.dispose();
  await rm(folder, { recursive: true });
});

async function tapsOf(...chunks: number[][]): Promise<number[]> {
  const sequence = await loaded.model.openTapped();
  const rows: number[] = [];
  for (const chunk of chunks) {
    const { rows: count } = await sequence.forward(chunk);
    expect(sequence.taps).toMatchObject({ rows: count, cols: loaded.model.tapWidth });
    rows.push(...sequence.taps.data);
    sequence.commit(chunk.length);
  }
  sequence.dispose();
  return rows;
}

describe("openTapped()", () => {
  it("gives what the layers of autodiff compute after a third, two thirds and all but one of the layers", async () => {
    const { config, params } = await readTransformer(llama);
    const run = jit(createGraphRunner({ threads: 1 }), (p: Transformer<Tensor>, x: Tensor) => {
      // Of two layers: after the first, after both, and after the first.
      const rows = gather(p.embedding, x);
      const [one, two] = [1, 2].map((count) =>
        transformBlocks(p.blocks.slice(0, count), rows, config),
      );
      return concat([one, two, one], -1);
    });
    const { data } = await run(params, { data: Int32Array.from(ids), shape: [1, ids.length] });
    await run.dispose();
    const own = await tapsOf(ids);
    expect(own).toHaveLength(data.length);
    // Float32 sums in another order.
    own.forEach((value, i) => expect(value).toBeCloseTo(data[i], 4));
  });

  it("gives the same bits however a text is cut, and beside another sequence", async () => {
    const whole = await tapsOf(ids);
    expect(await tapsOf(ids.slice(0, 7), ids.slice(7, 8), ids.slice(8))).toEqual(whole);
    const [one, other] = await Promise.all([tapsOf(ids), tapsOf(ids.slice(3))]);
    expect(one).toEqual(whole);
    expect(other).toEqual(await tapsOf(ids.slice(3)));
  });

  it("gives those of the nodes of a tree, of the last row where only that is asked for, and of a fork", async () => {
    const { model } = loaded;
    const width = model.tapWidth;
    const sequence = await model.openTapped();
    await sequence.forward(ids, { rows: "last" });
    expect(sequence.taps.rows).toBe(1);
    sequence.commit(ids.length);
    const fork = sequence.fork();
    await sequence.forwardTree([1, 2, 3], [-1, 0, 0]);
    const tree = sequence.taps;
    await fork.forward([1, 3]);
    const chain = fork.taps;
    for (let i = 0; i < width; i++) {
      // The root of both is the same row; node 2 follows it as the second of the chain does.
      expect(tree.data[i]).toBeCloseTo(chain.data[i], 5);
      expect(tree.data[2 * width + i]).toBeCloseTo(chain.data[width + i], 5);
    }
    for (const each of [sequence, fork]) each.dispose();
  });

  it("changes no logits", async () => {
    const [plain, tapped] = await Promise.all([loaded.model.open(), loaded.model.openTapped()]);
    expect((await tapped.forward(ids)).data).toEqual((await plain.forward(ids)).data);
    for (const each of [plain, tapped]) each.dispose();
  });

  it("says where there are none", async () => {
    const plain = await loaded.model.open();
    expect(() => plain.taps).toThrow(
      "taps: the sequence gives no hidden states; open it with openTapped",
    );
    plain.dispose();
    const tapped = await loaded.model.openTapped();
    expect(() => tapped.taps).toThrow("taps: there was no forward yet");
    tapped.dispose();
    await copyFolders(folder);
    const { model } = await loadModel(join(folder, "genai"), {
      cacheFolder: join(folder, "cache"),
    });
    await expect(model.openTapped()).rejects.toThrow(
      "openTapped: the graph gives no hidden states; those of GGUF files and of exportOnnx do, on the CPU",
    );
    await model.dispose();
  });
});
