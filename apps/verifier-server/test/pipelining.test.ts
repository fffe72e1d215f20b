/** The setting `pipelining`, over two servers of small networks. */
import { fileURLToPath } from "node:url";
import { draftServerConfig, serveDraft } from "@veridraft/draft-server";
import { OnnxModel, OnnxSequence } from "@veridraft/engine-onnx";
import { createVerifierClient } from "@veridraft/rpc/client";
import { Coupling, type GenerateRequest, Sampling } from "@veridraft/rpc/verifier";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { collect, failure, freePort, request, undrafted } from "./harness.ts";

const model = fileURLToPath(
  new URL("../../../packages/engine-onnx/test/fixtures/gguf/llama.gguf", import.meta.url),
);
const timeout = 60_000;

async function serve(pipelining: string, draftServer?: string) {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const draft = draftServer
    ? null
    : await serveDraft(draftServerConfig.parse({ port: 0, model, draftModel: model, graceMs: 0 }));
  const peer = { draftServer: draft?.address ?? draftServer, roundTimeoutMs: 5000 };
  const settings = verifierServerConfig.parse({ port: 0, model, pipelining, ...peer, graceMs: 0 });
  const verifier = await serveVerifier(settings, { warn });
  const client = createVerifierClient(verifier.address);
  onTestFinished(async () => {
    client.close();
    await verifier.stop();
    await draft?.stop();
  });
  return { client, warnings };
}

const sampled = Sampling.create({ temperature: 1, seed: 9n });
const requests: [string, Partial<GenerateRequest>][] = [
  ["greedy", {}],
  ["sampled", { sampling: sampled }],
  ["penalized", { sampling: { ...sampled, repetitionPenalty: 1.4, topP: 0.9 } }],
];

describe.each(["pearl", "dsi"])("%s", (pipelining) => {
  it("gives the text of plain decoding, whatever drafts", { timeout }, async () => {
    const { client, warnings } = await serve(pipelining);
    for (const [kind, more] of requests) {
      const message = request({ maxTokens: 40, ...more });
      const plain = await collect(client.generate({ ...message, speculation: undrafted }));
      for (const drafter of ["model", "suffix", "recycling", "ngram-cache"]) {
        const speculation = { drafter, numSpeculativeTokens: 3 };
        const { ids, text, finished } = await collect(client.generate({ ...message, speculation }));
        expect([kind, drafter, ids]).toEqual([kind, drafter, plain.ids]);
        expect(text).toBe(plain.text);
        expect(finished).toMatchObject({
          reason: plain.finished.reason,
          usage: plain.finished.usage,
          stats: { drafter, lossless: true, undraftedRounds: 0 },
        });
      }
    }
    expect(warnings).toEqual([]);
  });

  it(
    "keeps all drafts of a model like the target, and ends before a stop string",
    { timeout },
    async () => {
      const { client } = await serve(pipelining);
      const speculation = { drafter: "model", numSpeculativeTokens: 4 };
      const message = request({ maxTokens: 32, speculation });
      const whole = await collect(client.generate(message));
      expect(whole.finished.stats).toMatchObject({ proposed: 32, accepted: 32 });
      const stop = whole.text.slice(8, 11);
      const { text, finished } = await collect(client.generate({ ...message, stop: [stop] }));
      expect(text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
      expect(finished.reason).toBe(1);
    },
  );

  it("leaves log-probabilities and named verifiers to the loop", { timeout }, async () => {
    const { client } = await serve(pipelining);
    const coupling = Coupling.COUPLING_OPTIMAL;
    const speculation = { drafter: "model", numSpeculativeTokens: 4, verification: "typical" };
    const { finished } = await collect(
      client.generate(request({ maxTokens: 8, speculation, sampling: { ...sampled, coupling } })),
    );
    expect(finished.stats?.lossless).toBe(false);
    let reported = 0;
    for await (const { response } of client.generate(
      request({
        maxTokens: 8,
        logProbs: { top: 2 },
        speculation: { drafter: "model", numSpeculativeTokens: 4 },
      }),
    )) {
      if (response?.$case === "chunk") reported += response.value.logProbs.length;
    }
    expect(reported).toBe(8);
  });

  it("generates on where nobody drafts, and says so", { timeout }, async () => {
    const { client, warnings } = await serve(pipelining, `127.0.0.1:${await freePort()}`);
    const message = request({ maxTokens: 12, sampling: sampled });
    const { ids } = await collect(client.generate(message));
    const plain = await collect(client.generate({ ...message, speculation: undrafted }));
    expect(ids).toEqual(plain.ids);
    expect(warnings).toEqual([expect.stringContaining("the draft server does not draft: ")]);
  });

  it("gives its sequences back where the caller goes away", { timeout }, async () => {
    const { client } = await serve(pipelining);
    const opened = vi.spyOn(OnnxModel.prototype, "open");
    const disposed = vi.spyOn(OnnxSequence.prototype, "dispose");
    onTestFinished(() => void vi.restoreAllMocks());
    const abort = new AbortController();
    const speculation = { drafter: "suffix", numSpeculativeTokens: 3 };
    const running = (async () => {
      for await (const _ of client.generate(request({ maxTokens: 60, speculation }), abort)) {
        abort.abort();
      }
    })();
    expect(await failure(running)).toMatchObject({ code: "CANCELLED" });
    await vi.waitUntil(() => disposed.mock.calls.length >= opened.mock.calls.length, {
      timeout: 20_000,
      interval: 5,
    });
    const sequences = await Promise.all(opened.mock.results.map(({ value }) => value));
    expect(new Set(disposed.mock.contexts)).toEqual(new Set(sequences));
    expect(sequences).toHaveLength(pipelining === "dsi" ? 2 : 1);
  });
});
