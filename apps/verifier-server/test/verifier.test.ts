import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { RunningService } from "@veridraft/draft-server";
import { createVerifierClient, type VerifierClient } from "@veridraft/rpc/client";
import { type Finished, FinishReason, type GenerateRequest } from "@veridraft/rpc/verifier";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const draftMain = fileURLToPath(new URL("../../draft-server/src/main.ts", import.meta.url));
const prompt = "Once upon a time, the fox met the dog. Once upon a time, the fox";

/** A draft server in a process of its own, so that it can be killed. */
async function startDraft(port = 0): Promise<{ process: ChildProcess; address: string }> {
  const child = spawn(process.execPath, [...process.execArgv, draftMain, "--port", String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { process: child, address: /on (\S+)$/.exec(line)?.[1] ?? "" };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

function request(more: Partial<GenerateRequest> = {}): GenerateRequest {
  return { prompt: { $case: "text", value: prompt }, maxTokens: 64, stop: [], ...more };
}

async function collect(
  client: VerifierClient,
  message: GenerateRequest,
  onChunk: (count: number) => Promise<void> | void = () => {},
): Promise<{ text: string; ids: number[]; finished: Finished }> {
  let text = "";
  const ids: number[] = [];
  let chunks = 0;
  for await (const { response } of client.generate(message)) {
    if (response?.$case === "finished") return { text, ids, finished: response.value };
    if (response?.$case !== "chunk") continue;
    text += response.value.text;
    ids.push(...response.value.ids);
    await onChunk(++chunks);
  }
  throw new Error("the stream ended early");
}

let draft: { process: ChildProcess; address: string };
let verifier: RunningService;
let client: VerifierClient;
const warnings: string[] = [];

beforeAll(async () => {
  draft = await startDraft();
  verifier = await serveVerifier(
    verifierServerConfig.parse({ port: 0, draftServer: draft.address }),
    { warn: (message) => warnings.push(message) },
  );
  client = createVerifierClient(verifier.address);
}, 120_000);

afterAll(async () => {
  client.close();
  await verifier.stop();
  await kill(draft.process);
});

const none = { speculation: { drafter: "none", numSpeculativeTokens: 0 } };
/** Asks for a draft in every round, also where the schedule found that drafts do not pay. */
const always = { speculation: { drafter: "auto", numSpeculativeTokens: 4 } };

describe("generate", () => {
  it(
    "gives the text of plain decoding, drafted by every drafter, greedy and sampled",
    { timeout: 120_000 },
    async () => {
      for (const sampling of [
        undefined,
        { temperature: 0.9, topP: 0.95, seed: 7n, coupling: 0 as const },
      ]) {
        const plain = await collect(client, request({ ...none, sampling }));
        expect(plain.finished.stats).toMatchObject({ drafter: "none", proposed: 0 });
        expect(plain.finished.usage?.completionTokens).toBe(plain.ids.length);
        for (const drafter of [
          "auto",
          "suffix",
          "suffix-decoding",
          "prompt-lookup",
          "ngram-cache",
          "recycling",
          "combined",
          "head",
        ]) {
          const speculation = { drafter, numSpeculativeTokens: 0 };
          const drafted = await collect(client, request({ speculation, sampling }));
          expect(drafted.ids).toEqual(plain.ids);
          expect(drafted.text).toBe(plain.text);
          expect(drafted.finished.stats?.proposed).toBeGreaterThan(0);
        }
      }
    },
  );

  it(
    "goes on with the same text when the draft server is killed, and drafts again when it is back",
    { timeout: 120_000 },
    async () => {
      const plain = await collect(client, request(none));
      const port = Number(draft.address.split(":")[1]);
      const before = warnings.length;
      const cut = await collect(client, request(always), async (chunks) => {
        if (chunks === 5) await kill(draft.process);
      });
      expect(cut.ids).toEqual(plain.ids);
      expect(warnings.length - before).toBe(1);
      expect(cut.finished.stats?.undraftedRounds).toBeGreaterThan(0);

      const alone = await collect(client, request(always));
      expect(alone.ids).toEqual(plain.ids);

      draft = await startDraft(port);
      await expect
        .poll(
          async () => (await collect(client, request(always))).finished.stats?.undraftedRounds,
          { timeout: 30_000, interval: 500 },
        )
        .toBe(0);
    },
  );

  it("stops before a stop string, and at max_tokens", async () => {
    const stopped = await collect(client, request({ stop: ["."] }));
    expect(stopped.text).not.toContain(".");
    expect(stopped.finished.reason).toBe(FinishReason.FINISH_REASON_STOP);
    const short = await collect(client, request({ maxTokens: 3 }));
    expect(short.ids).toHaveLength(3);
    expect(short.finished.reason).toBe(FinishReason.FINISH_REASON_LENGTH);
  });

  it("serves on after a client has gone", async () => {
    const abort = new AbortController();
    const running = (async () => {
      for await (const _ of client.generate(request({ maxTokens: 2000 }), { signal: abort.signal }))
        abort.abort();
    })();
    await expect(running).rejects.toMatchObject({ code: "CANCELLED" });
    expect((await collect(client, request({ maxTokens: 2 }))).ids).toHaveLength(2);
  });

  it.each([
    [
      request({ prompt: { $case: "text", value: "" } }),
      "INVALID_ARGUMENT",
      "text: must not be empty",
    ],
    [
      request({ prompt: undefined }),
      "INVALID_ARGUMENT",
      "prompt: must be text or conversation, got neither",
    ],
    [
      request({ sampling: { temperature: -1, coupling: 0 } }),
      "INVALID_ARGUMENT",
      "sampling: temperature must be at least 0, got -1",
    ],
    [
      request({ sampling: { topP: 0, coupling: 0 } }),
      "INVALID_ARGUMENT",
      "sampling: topP must be in (0, 1], got 0",
    ],
    [
      request({ speculation: { drafter: "oracle", numSpeculativeTokens: 0 } }),
      "INVALID_ARGUMENT",
      'drafter: must be one of auto, suffix, suffix-decoding, prompt-lookup, ngram-cache, recycling, combined, head, got "oracle"',
    ],
    [
      request({ prompt: { $case: "text", value: "a ".repeat(9000) } }),
      "OUT_OF_RANGE",
      "tokens leave no room in a context of 8192",
    ],
  ])("refuses bad input %#", async (message, code, sentence) => {
    await expect(collect(client, message)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(sentence),
    });
  });
});

describe("score, tokenize, detokenize, getModelInfo", () => {
  it("answers", async () => {
    const { ids, pieces } = await client.tokenize({ text: "Hello world" });
    expect(ids).toEqual([19_556, 905]);
    expect(pieces.map((piece) => Buffer.from(piece).toString())).toEqual(["Hello", " world"]);
    expect(await client.detokenize({ ids })).toEqual({ text: "Hello world" });
    const { logProbs } = await client.score({ text: "Hello world" });
    expect(logProbs.byteLength).toBe(8);
    const { model } = await client.getModelInfo({});
    expect(model).toMatchObject({ vocabSize: 49_152, contextLength: 8192, exact: true });
  });
});
