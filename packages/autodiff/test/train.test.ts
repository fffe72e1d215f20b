import { execFile, spawn } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  adamW,
  add,
  averageParams,
  type HostTensor,
  jit,
  leavesOf,
  loadCheckpoint,
  matmul,
  mul,
  type Params,
  saveCheckpoint,
  sgd,
  shuffledRows,
  square,
  sub,
  sum,
  takeRows,
  type Tensor,
  train,
  type TrainOptions,
  valueAndGrad,
} from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import { afterAll, describe, expect, test } from "vitest";
import { vector } from "./trees.ts";

const root = mkdtempSync(join(tmpdir(), "train-"));
afterAll(() => rmSync(root, { recursive: true }));
const newFolder = (): string => mkdtempSync(join(root, "run-"));

interface Model<T> {
  readonly [key: string]: T;
  readonly weight: T;
  readonly bias: T;
}
type Batch = [x: HostTensor, y: HostTensor];
type Options = TrainOptions<Model<HostTensor>, Batch>;

const loss = ({ weight, bias }: Model<Tensor>, x: Tensor, y: Tensor): Tensor =>
  mul(sum(square(sub(add(matmul(x, weight), bias), y))), 1 / 8);
const step = jit(createGraphRunner({ threads: 1 }), valueAndGrad(loss));
afterAll(() => step.dispose());

const noise = createRng(3).at(0, "sample");
const x: HostTensor = {
  shape: [20, 3],
  data: Float32Array.from({ length: 60 }, () => noise.uniform()),
};
const y: HostTensor = {
  shape: [20, 1],
  data: Float32Array.from({ length: 20 }, (_, i) => x.data[3 * i] - 2),
};
const rows = shuffledRows(20, 8, createRng(5));

const options: Options = {
  step,
  params: { weight: { data: new Float32Array(3), shape: [3, 1] }, bias: vector(0) },
  optimizer: averageParams(0.9, adamW({ learningRate: 0.05 })),
  async *batches(from) {
    for (const some of rows(from)) yield [takeRows(x, some), takeRows(y, some)];
  },
  steps: 30,
};

function logOf(folder: string): { step: number; loss: number }[] {
  const lines = readFileSync(join(folder, "log.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

async function losses(changes: Partial<Options>): Promise<number[]> {
  const seen: number[] = [];
  await train({ ...options, ...changes, onProgress: (progress) => seen.push(progress.loss) });
  return seen;
}

describe("train", () => {
  test("learns, and leaves the initial parameters alone", async () => {
    const seen = await losses({ steps: 300 });
    expect(seen[0]).toBeGreaterThan(1);
    expect(seen.at(-1)).toBeLessThan(0.01);
    expect([...options.params.weight.data]).toEqual([0, 0, 0]);
  });

  test("a gradient that two parameters share is not updated twice", async () => {
    const shared = jit(
      createGraphRunner({ threads: 1 }),
      valueAndGrad((p: { a: Tensor; b: Tensor }) => sum(add(p.a, p.b))),
    );
    const { params } = await train({
      step: shared,
      params: { a: vector(0), b: vector(0) },
      optimizer: sgd({ learningRate: 1 }),
      batches: (): [][] => [[]],
      steps: 1,
    });
    expect(params).toEqual({ a: vector(-1), b: vector(-1) });
    await shared.dispose();
  });

  test.each([1, 7, 10, 29])("cut off after %i steps, it goes on to the bit", async (cut) => {
    const unbroken = await losses({});
    const whole = await train(options);
    const checkpoint = { folder: newFolder(), every: 4 };
    await train({ ...options, checkpoint, steps: cut });
    const resumed = await train({ ...options, checkpoint });
    expect(resumed).toEqual(whole);
    expect(logOf(checkpoint.folder).map((entry) => entry.loss)).toEqual(unbroken);
    expect(logOf(checkpoint.folder).map((entry) => entry.step)).toEqual(
      unbroken.map((_, i) => i + 1),
    );
  });

  test("an abort saves and returns", async () => {
    const controller = new AbortController();
    const checkpoint = { folder: newFolder(), every: 100 };
    const aborted = await train({
      ...options,
      checkpoint,
      signal: controller.signal,
      onProgress: (progress) => progress.step === 5 && controller.abort(),
    });
    expect(aborted.step).toBe(5);
    expect(readdirSync(checkpoint.folder).toSorted()).toEqual(["log.jsonl", "loss.svg", "step-5"]);
    expect(await train({ ...options, checkpoint })).toEqual(await train(options));
  });

  test("ends and saves where it is enough", async () => {
    const checkpoint = { folder: newFolder(), every: 100 };
    const { params, step: done } = await train({
      ...options,
      checkpoint,
      enough: async ({ bias }, at) => bias.data[0] < -0.1 && at >= 4,
    });
    expect(done).toBeGreaterThanOrEqual(4);
    expect(params.bias.data[0]).toBeLessThan(-0.1);
    expect(readdirSync(checkpoint.folder)).toContain(`step-${done}`);
  });

  test("ends with the batches", async () => {
    const { step: done } = await train({
      ...options,
      batches: (): Batch[] => [
        [x, y],
        [x, y],
      ],
    });
    expect(done).toBe(2);
  });

  test("progress counts tokens and what is left", async () => {
    const seen: number[][] = [];
    await train({
      ...options,
      steps: 2,
      tokensPerStep: 8,
      onProgress: (p) => seen.push([p.step, p.steps, p.tokensPerSecond * p.secondsLeft]),
    });
    expect(seen[0].slice(0, 2)).toEqual([1, 2]);
    // One step is left, of 8 tokens.
    expect(seen[0][2]).toBeCloseTo(8, 6);
    expect(seen[1]).toEqual([2, 2, 0]);
  });
});

describe("what is not finite", () => {
  const bad: Batch = [{ ...x, data: x.data.map((v, i) => (i === 0 ? NaN : v)) }, y];

  test("a batch with NaN stops before the update", async () => {
    const checkpoint = { folder: newFolder(), every: 2 };
    const all = [...Array.from({ length: 4 }, (): Batch => [x, y]), bad];
    const batches: Options["batches"] = (from) => all.slice(from);
    await expect(train({ ...options, checkpoint, batches })).rejects.toThrow(
      "train: at step 5 the loss is NaN, and the first that is not finite is the gradient of weight; the step is not saved: go on from an earlier one with a lower learning rate or clipped gradients",
    );
    const good = await train({ ...options, batches, steps: 4 });
    expect(await loadCheckpoint(checkpoint.folder, good)).toEqual(good);
  });

  test("a parameter that is already bad is named", async () => {
    const params = { ...options.params, bias: vector(Infinity) };
    await expect(train({ ...options, params })).rejects.toThrow(
      "train: at step 1 the loss is Infinity, and the first that is not finite is parameter bias;",
    );
  });

  test("a parameter that overflows is not saved", async () => {
    const checkpoint = { folder: newFolder(), every: 1 };
    const optimizer = sgd({ learningRate: 1e39 });
    await expect(train({ ...options, optimizer, checkpoint })).rejects.toThrow(
      "train: at step 1 the first that is not finite is parameter weight;",
    );
    expect(readdirSync(checkpoint.folder)).toEqual(["log.jsonl"]);
  });
});

describe("bad input", () => {
  test.each<[Partial<Options>, string]>([
    [{ steps: 0 }, "train: steps must be a positive integer, got 0"],
    [
      { checkpoint: { folder: root, every: 0.5 } },
      "train: checkpoint.every must be a positive integer, got 0.5",
    ],
  ])("%#", async (changes, message) => {
    await expect(train({ ...options, ...changes })).rejects.toMatchObject({ message });
  });

  const fewer = vector(0, 0);
  test.each<[string, Partial<Options>, string]>([
    [
      "shape",
      { params: { ...options.params, bias: fewer } },
      "the parameter bias is Float32Array[1] there and Float32Array[2] here",
    ],
    [
      "one more",
      { params: { ...options.params, gate: fewer } },
      "the parameter gate is missing there and Float32Array[2] here",
    ],
    [
      "one less",
      { params: { weight: options.params.weight } as unknown as Model<HostTensor> },
      "the parameter bias is Float32Array[1] there and missing here",
    ],
    [
      "optimizer",
      { optimizer: adamW({ learningRate: 0.05 }) },
      "the optimizer's inner.count is a number there and missing here",
    ],
  ])("the checkpoint of another model: %s", async (_, changes, difference) => {
    const checkpoint = { folder: newFolder(), every: 100 };
    await train({ ...options, checkpoint, steps: 1 });
    await expect(train({ ...options, checkpoint, ...changes })).rejects.toMatchObject({
      message: `loadCheckpoint: ${join(checkpoint.folder, "step-1")} is of another model: ${difference}; take the model that it was made with, or another folder`,
    });
  });

  test("a file in place of the folder", async () => {
    const file = join(newFolder(), "file");
    writeFileSync(file, "");
    await expect(
      train({ ...options, checkpoint: { folder: file, every: 1 } }),
    ).rejects.toMatchObject({
      code: "MODEL_FILE",
      message: `loadCheckpoint: ${file} cannot be read (ENOTDIR: not a directory, scandir '${file}'); give a folder, or one that is still to be made`,
    });
  });

  test("a log that cannot be kept", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "log.jsonl"));
    await expect(train({ ...options, checkpoint: { folder, every: 1 } })).rejects.toMatchObject({
      code: "MODEL_FILE",
      message: `train: the log in ${folder} cannot be kept (EISDIR: illegal operation on a directory, read); the last checkpoint is untouched: mend this and go on from it`,
    });
  });

  test("the last line of the log was cut off", async () => {
    const checkpoint = { folder: newFolder(), every: 100 };
    await train({ ...options, checkpoint, steps: 2 });
    appendFileSync(join(checkpoint.folder, "log.jsonl"), '{"step":3,"lo');
    await train({ ...options, checkpoint, steps: 4 });
    expect(logOf(checkpoint.folder).map((entry) => entry.step)).toEqual([1, 2, 3, 4]);
  });

  test("a damaged checkpoint", async () => {
    const checkpoint = { folder: newFolder(), every: 100 };
    await train({ ...options, checkpoint, steps: 1 });
    writeFileSync(join(checkpoint.folder, "step-1", "state.json"), "{");
    await expect(train({ ...options, checkpoint })).rejects.toThrow(
      `loadCheckpoint: ${join(checkpoint.folder, "step-1", "state.json")} is damaged: `,
    );
  });
});

/** Runs fixtures/save-forever.ts: saves step 1, 2, 3 ... of 1 MB each and prints each number when it is saved. */
const saver = fileURLToPath(new URL("fixtures/save-forever.ts", import.meta.url));
const node = [process.execPath, "--conditions=@veridraft/source", "--import=tsx", saver];
const like = { params: { a: vector() } as Params, state: { count: 0 } };

function big(count: number): Params {
  return { a: { data: new Float32Array(count), shape: [count] } };
}

describe("the old checkpoint survives", () => {
  test.skipIf(process.platform === "win32")("a full disk", async () => {
    const folder = newFolder();
    // The system refuses to write files beyond 64 blocks of 1 kB, as a full disk would: the first, small one is saved, the second is cut.
    const script = `ulimit -f 64; exec "$0" "$@"`;
    const { stdout } = await new Promise<{ stdout: string }>((resolve) => {
      execFile("bash", ["-c", script, ...node, folder, "10", "100000"], (_, out) =>
        resolve({ stdout: out }),
      );
    });
    expect(stdout).toBe(
      `1\nsaveCheckpoint: step 2 cannot be written to ${folder} (EFBIG: file too large, write); the checkpoint before it, if any, is untouched: make room and go on from it\n`,
    );
    expect(readdirSync(folder)).toEqual(["step-1"]);
    expect((await loadCheckpoint(folder, { ...like, params: big(10) }))?.step).toBe(1);
  });

  test("a kill at any moment", async () => {
    const folder = newFolder();
    for (const lines of [1, 2, 3]) {
      const child = spawn(node[0], [...node.slice(1), folder, "250000", "250000"]);
      let last = 0;
      let left = lines;
      for await (const line of createInterface(child.stdout)) {
        last = Number(line);
        if (--left === 0) child.kill("SIGKILL");
      }
      const found = await loadCheckpoint(folder, { ...like, params: big(250_000) });
      expect(found?.step).toBeGreaterThanOrEqual(last);
      expect(leavesOf(found!.params).get("a")!.data[7]).toBe(found!.step);
    }
  });
});

test("saving a step again replaces it", async () => {
  const folder = newFolder();
  for (const value of [1, 2]) {
    await saveCheckpoint(folder, { step: 3, params: { a: vector(value) }, state: {} });
  }
  const found = await loadCheckpoint(folder, { params: { a: vector(0) }, state: {} });
  expect(found).toEqual({ step: 3, params: { a: vector(2) }, state: {} });
  expect(readdirSync(folder)).toEqual(["step-3"]);
});

test("there is no checkpoint in a folder that is not there", async () => {
  expect(await loadCheckpoint(join(root, "none"), like)).toBe(null);
});
