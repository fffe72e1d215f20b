/** Laws over gRPC: what a teacher and a student say on servers is what they say here. */
import { fileURLToPath } from "node:url";
import { createRng, resolveSampling } from "@veridraft/core-probs";
import { type LoadedModel, loadModel, OnnxSequence } from "@veridraft/engine-onnx";
import { encodeUint32 } from "@veridraft/rpc";
import { createVerifierClient, type VerifierClient } from "@veridraft/rpc/client";
import type { PredictRequest } from "@veridraft/rpc/verifier";
import { createLawModel, type LawModel, type RsdOptions, rsdTrace } from "@veridraft/spec-decoding";
import {
  createRemoteLawModel,
  serveVerifier,
  verifierServerConfig,
} from "@veridraft/verifier-server";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { failure } from "./harness.ts";

const fixture = (name: string): string =>
  fileURLToPath(
    new URL(`../../../packages/engine-onnx/test/fixtures/gguf/${name}.gguf`, import.meta.url),
  );
const contextLength = 128;
const vocabSize = 260;
const prompt = [3, 14, 15, 92, 65];
const ones = (length: number): number[] => Array.from({ length }, () => 1);
const laws = { sampling: resolveSampling({ temperature: 0.7, topP: 0.95 }), top: 20 };

const here: LoadedModel[] = [];
const served: { client: VerifierClient; stop(): Promise<void> }[] = [];
let sha256: string;

async function serve(name: string) {
  const model = fixture(name);
  const { address, stop } = await serveVerifier(
    verifierServerConfig.parse({ port: 0, model, graceMs: 0 }),
  );
  const client = createVerifierClient(address);
  return {
    address,
    client,
    async stop() {
      client.close();
      await stop();
    },
  };
}

beforeAll(async () => {
  for (const name of ["llama", "qwen2"]) {
    here.push(await loadModel(fixture(name), { spinning: false }));
    served.push(await serve(name));
  }
  sha256 = here[0].tokenizer.sha256;
}, 60_000);

afterAll(async () => {
  for (const { model } of here) await model.dispose();
  for (const { stop } of served) await stop();
});

const local = (i: number): LawModel => createLawModel(here[i].model);
const remote = (i: number): LawModel => createRemoteLawModel(served[i].client, sha256);

const open = (more: object = {}): PredictRequest => ({
  request: {
    $case: "open",
    value: { tokenizerSha256: sha256, ids: encodeUint32(prompt), top: 20, ...more },
  },
});
const commit = (ids: number[]): PredictRequest => ({
  request: { $case: "commit", value: { ids: encodeUint32(ids) } },
});

/** What the server says to requests that are sent one after the other. */
async function answers(...requests: PredictRequest[]) {
  const call = served[0].client.predict();
  const read = [];
  const responses = call.responses[Symbol.asyncIterator]();
  for (const request of requests) {
    await call.send(request);
    read.push((await responses.next()).value);
  }
  call.end();
  expect(await responses.next()).toMatchObject({ done: true });
  return read;
}

describe("rsdTrace with a teacher and a student on servers", () => {
  it.each<[string, Omit<RsdOptions, "key">]>([
    ["the paper's settings", {}],
    [
      "the raw law tested, penalties, few tokens",
      {
        acceptOn: "raw",
        topK: 3,
        sampling: { temperature: 1.2, minP: 0.01, repetitionPenalty: 1.3 },
      },
    ],
    ["a teacher that reads other ids", { teacherIds: new Map([[7, [1, 2, 3]]]) }],
  ])("gives the trace of the seed to the bit: %s", async (_, options) => {
    const run = (teacher: LawModel, student: LawModel) =>
      rsdTrace(teacher, student, prompt, { ...options, key: createRng(5), maxTokens: 24 });
    const whole = await run(local(0), local(1));
    expect(whole.ids).toHaveLength(24);
    expect(await run(remote(0), local(1))).toEqual(whole);
    expect(await run(local(0), remote(1))).toEqual(whole);
    expect(await run(remote(0), remote(1))).toEqual(whole);
  });

  it("ends with one sentence where the teacher is lost", async () => {
    const teacher = await serve("llama");
    onTestFinished(teacher.stop);
    const tracing = rsdTrace(createRemoteLawModel(teacher.client, sha256), local(1), prompt, {
      key: createRng(1),
      maxTokens: 120,
    });
    const failed = failure(tracing);
    await teacher.stop();
    expect(await failed).toMatchObject({ code: "UNAVAILABLE" });
    expect((await failed).message).toMatch(/^[^\n]+$/);
  });

  it("is aborted by its signal, with the signal's reason", async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    const tracing = rsdTrace(remote(0), remote(1), prompt, {
      key: createRng(1),
      signal: abort.signal,
    });
    const failed = failure(tracing);
    abort.abort(reason);
    expect(await failed).toBe(reason);
  });
});

describe("predict", () => {
  it("refuses another tokenizer and names both", async () => {
    const sequence = await createRemoteLawModel(served[0].client, "ab".repeat(32)).openLaws(laws);
    expect(await failure(sequence.after(prompt))).toMatchObject({
      code: "FAILED_PRECONDITION",
      message: `the tokenizers differ: the caller's is ${"ab".repeat(32)}, the verifier's is ${sha256}`,
    });
  });

  it.each<[string, string, () => PredictRequest[]]>([
    ["INVALID_ARGUMENT", "open.top: must be in [1, 64], got 0", () => [open({ top: 0 })]],
    ["INVALID_ARGUMENT", "open.top: must be in [1, 64], got 65", () => [open({ top: 65 })]],
    [
      "INVALID_ARGUMENT",
      "open.ids: must hold at least one id",
      () => [open({ ids: new Uint8Array() })],
    ],
    [
      "INVALID_ARGUMENT",
      `open.ids: [1] must be in [0, ${vocabSize}), got ${vocabSize}`,
      () => [open({ ids: encodeUint32([1, vocabSize]) })],
    ],
    [
      "INVALID_ARGUMENT",
      `open.ids: at most ${contextLength} numbers, got ${contextLength + 1}`,
      () => [open({ ids: encodeUint32(ones(contextLength + 1)) })],
    ],
    [
      "INVALID_ARGUMENT",
      `commit.ids: at most ${contextLength - prompt.length} numbers, got ${contextLength}`,
      () => [open(), commit(ones(contextLength))],
    ],
    ["INVALID_ARGUMENT", "commit.ids: must hold at least one id", () => [open(), commit([])]],
    ["INVALID_ARGUMENT", "request: open must be first", () => [commit([1])]],
    ["INVALID_ARGUMENT", "request: commit must follow", () => [open(), open()]],
  ])("refuses with %s, %s", async (code, message, requests) => {
    expect(await failure(answers(...requests()))).toMatchObject({ code, message });
  });

  it("gives the memory of a text back when the caller goes away", async () => {
    const opened = vi.spyOn(here[0].model.constructor.prototype, "open");
    const disposed = vi.spyOn(OnnxSequence.prototype, "dispose");
    onTestFinished(() => void vi.restoreAllMocks());
    const sequence = await remote(0).openLaws(laws);
    await sequence.after(prompt);
    expect(disposed).not.toHaveBeenCalled();
    sequence.dispose();
    await vi.waitUntil(() => disposed.mock.calls.length > 0, { timeout: 10_000, interval: 5 });
    expect(disposed.mock.contexts).toEqual([await opened.mock.results[0].value]);
  });
});
