import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type HostTensor, leavesOf, writeSafetensors } from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import {
  fileSha256,
  loadDraftHead,
  readTokenTables,
  readTransformer,
  writeDraftHead,
} from "@veridraft/engine-onnx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const llama = fileURLToPath(new URL("fixtures/gguf/llama.gguf", import.meta.url));
const [width, tapWidth, hidden] = [64, 192, 128];
const ids = Int32Array.from({ length: 100 }, (_, i) => 2 * i + 3);

/** Values that 8 bits hold: every block of 64 has a 127, and all are multiples of the same scale. */
const rng = createRng(3).at(0, "sample");
function exact(inputs: number, outputs: number): HostTensor {
  const data = new Float32Array(inputs * outputs);
  for (let out = 0; out < outputs; out++) {
    for (let i = 0; i < inputs; i++) {
      const value = i % 64 === 0 ? 127 : Math.round(254 * rng.uniform()) - 127;
      data[i * outputs + out] = value / (127 * Math.sqrt(inputs));
    }
  }
  return { data, shape: [inputs, outputs] };
}
const gains = (): HostTensor => ({
  data: Float32Array.from({ length: width }, () => 0.5 + rng.uniform()),
  shape: [width],
});
const params = {
  taps: { weight: exact(tapWidth, width) },
  mix: { weight: exact(2 * width, width) },
  mlp: {
    gate: { weight: exact(width, hidden) },
    up: { weight: exact(width, hidden) },
    down: { weight: exact(hidden, width) },
  },
  state: { weight: gains() },
  token: { weight: gains() },
  inner: { weight: gains() },
  output: { weight: gains() },
};

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-head-"));
  path = join(folder, "head.safetensors");
  await writeDraftHead(path, {
    params: leavesOf(params),
    ids,
    targetSha256: await fileSha256(llama),
    manifest: { seed: 3 },
  });
});
afterAll(() => rm(folder, { recursive: true }));

type Row = readonly number[];
const normed = (row: Row, weight?: HostTensor): Row => {
  const scale = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length + 1e-5);
  return row.map((x, i) => (x / scale) * (weight?.data[i] ?? 1));
};
const times = (row: Row, { data, shape }: HostTensor): Row =>
  Array.from({ length: shape[1] }, (_, j) =>
    row.reduce((sum, x, i) => sum + x * data[i * shape[1] + j], 0),
  );

/** A step as its formula has it, in float64. */
async function reference(entered: Row, id: number): Promise<{ state: Row; logits: Row }> {
  const { embedding, output } = await readTokenTables(llama);
  const token = [...embedding.rows([id])];
  const pair = [...normed(entered, params.state.weight), ...normed(token, params.token.weight)];
  const mixed = times(pair, params.mix.weight);
  const inner = normed(mixed, params.inner.weight);
  const raised = times(inner, params.mlp.up.weight);
  const gated = times(inner, params.mlp.gate.weight).map(
    (x, i) => (x / (1 + Math.exp(-x))) * raised[i],
  );
  const lowered = times(gated, params.mlp.down.weight);
  const state = mixed.map((x, i) => x + lowered[i]);
  const last = normed(state, params.output.weight);
  const rows = output.rows(ids);
  const logits = Array.from(ids, (_, j) =>
    last.reduce((sum, x, i) => sum + x * rows[j * width + i], 0),
  );
  return { state, logits };
}

/** Activations are rounded to 8 bits, as in the engine: an error of some 1 % of the largest. */
function expectNear(actual: Float32Array, expected: Row): void {
  const largest = Math.max(...expected.map(Math.abs));
  expected.forEach((value, i) => expect(Math.abs(actual[i] - value)).toBeLessThan(0.03 * largest));
}

describe("loadDraftHead()", () => {
  it("computes the head's formula, from hidden states and from its own", async () => {
    const head = await loadDraftHead(path, llama);
    expect(head).toMatchObject({ tapWidth, manifest: { seed: 3 } });
    expect(head.ids).toEqual(ids);
    const taps = Float32Array.from({ length: tapWidth }, () => 20 * (rng.uniform() - 0.5));
    const layers = [0, 1, 2].flatMap((i) => normed([...taps.subarray(i * width, (i + 1) * width)]));
    const one = await head.start(taps, 17);
    const first = await reference(times(layers, params.taps.weight), 17);
    expectNear(one.state, first.state);
    expectNear(one.logits, first.logits);
    const two = await head.next(one, 250);
    const second = await reference([...one.state], 250);
    expectNear(two.state, second.state);
    expectNear(two.logits, second.logits);
    expect((await head.start(taps, 17)).logits).toEqual(one.logits);
    await head.dispose();
  });

  it("leaves the CPUs alone between two tokens", async () => {
    const head = await loadDraftHead(path, llama);
    await head.start(new Float32Array(tapWidth), 3);
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { user, system } = process.cpuUsage(before);
    // A thread that spins takes all of the time.
    expect(user + system).toBeLessThan(150_000);
    await head.dispose();
  });

  it("refuses a head of another model, naming both, and what is no head", async () => {
    const qwen = fileURLToPath(new URL("fixtures/gguf/qwen2.gguf", import.meta.url));
    const [own, other] = [await fileSha256(llama), await fileSha256(qwen)];
    await expect(loadDraftHead(path, qwen)).rejects.toThrow(
      `loadDraftHead: ${path} was trained for the model ${own}, but ${qwen} is ${other}; train one for it with veridraft draft train`,
    );
    const none = join(folder, "none.safetensors");
    await writeSafetensors(none, { ids: { data: ids, shape: [ids.length] } });
    await expect(loadDraftHead(none, llama)).rejects.toThrow(
      `loadDraftHead: ${none} is no draft head of "veridraft draft head 1"`,
    );
    await writeFile(none, "GGUF");
    await expect(loadDraftHead(none, llama)).rejects.toThrow("readSafetensors");
  });

  it("refuses tensors of other sizes, and ids that do not ascend", async () => {
    const broken = join(folder, "broken.safetensors");
    const targetSha256 = await fileSha256(llama);
    const write = (changes: object, own = ids) =>
      writeDraftHead(broken, {
        params: leavesOf({ ...params, ...changes }),
        ids: own,
        targetSha256,
        manifest: {},
      });
    const sentence = `loadDraftHead: the tensors of ${broken} are not those of a head for a model of width 64 and 260 tokens`;
    await write({ mix: { weight: exact(width, width) } });
    await expect(loadDraftHead(broken, llama)).rejects.toThrow(sentence);
    await write({}, Int32Array.of(3, 3));
    await expect(loadDraftHead(broken, llama)).rejects.toThrow(sentence);
    await write({}, Int32Array.of(3, 260));
    await expect(loadDraftHead(broken, llama)).rejects.toThrow(sentence);
  });
});

describe("readTokenTables()", () => {
  it("gives the rows of the file", async () => {
    const { embedding, output, outputGain } = await readTokenTables(llama);
    const { params: whole } = await readTransformer(llama);
    const rows = whole.embedding.data as Float32Array;
    expect(embedding).toMatchObject({ vocabSize: 260, width });
    expect(embedding.rows([259, 0])).toEqual(
      Float32Array.from([...rows.subarray(259 * width), ...rows.subarray(0, width)]),
    );
    expect(output.width).toBe(width);
    expect(outputGain).toHaveLength(width);
  });
});
