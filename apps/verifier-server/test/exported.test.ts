import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initTransformer } from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { exportOnnx, loadModel } from "@veridraft/engine-onnx";
import { createVerifierClient } from "@veridraft/rpc/client";
import { generateText } from "@veridraft/spec-decoding";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { afterAll, beforeAll, expect, it } from "vitest";

const config = {
  vocabSize: 128,
  contextLength: 64,
  layers: 2,
  width: 32,
  heads: 4,
  kvHeads: 2,
  hidden: 64,
  mlp: "gelu",
  norm: "layer",
  rotaryBase: null,
  tied: true,
  bias: true,
} as const;
/** ASCII, a token a character; control characters and the space as byte-level vocabularies spell them. */
const spell = (byte: number): string =>
  String.fromCharCode(byte > 32 && byte < 127 ? byte : byte === 127 ? 289 : 256 + byte);
const vocab = Object.fromEntries(Array.from({ length: 128 }, (_, byte) => [spell(byte), byte]));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-exported-"));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  await exportOnnx(folder, config, initTransformer(config, createRng(1).at(0, "sample"), 0.3), {
    json: {
      pre_tokenizer: byteLevel,
      decoder: byteLevel,
      model: { type: "BPE", vocab, merges: [] },
    },
    endIds: [0],
  });
});
afterAll(() => rm(folder, { recursive: true }));

it("serves a model of autodiff, of an architecture that no GGUF file has, as it runs in process", async () => {
  const loaded = await loadModel(folder);
  const steps = generateText(loaded, "two words", {
    key: createRng(5),
    maxTokens: 24,
    sampling: { temperature: 1 },
  });
  let expected = await steps.next();
  while (!expected.done) expected = await steps.next();
  await loaded.model.dispose();
  const server = await serveVerifier(verifierServerConfig.parse({ port: 0, model: folder }));
  const client = createVerifierClient(server.address);
  const ids: number[] = [];
  for await (const { response } of client.generate({
    prompt: { $case: "text", value: "two words" },
    sampling: { temperature: 1, seed: 5n, coupling: 0 },
    maxTokens: 24,
    stop: [],
  })) {
    if (response?.$case === "chunk") ids.push(...response.value.ids);
  }
  expect(ids.length).toBeGreaterThan(0);
  expect(ids).toEqual(expected.value.ids);
  client.close();
  await server.stop();
});
