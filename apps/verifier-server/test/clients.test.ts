import { OnnxModel, OnnxSequence } from "@veridraft/engine-onnx";
import { createVerifierClient, type VerifierClient } from "@veridraft/rpc/client";
import { type GenerateRequest, VerifierServiceService } from "@veridraft/rpc/verifier";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { collect, dial, failure, hold, large, request } from "./harness.ts";

// Watched, not replaced.
const opened = vi.spyOn(OnnxModel.prototype, "open");
const forward = vi.spyOn(OnnxSequence.prototype, "forward");
const disposed = vi.spyOn(OnnxSequence.prototype, "dispose");

let address: string;
let client: VerifierClient;

beforeAll(async () => {
  const verifier = await serveVerifier(verifierServerConfig.parse({ port: 0 }));
  ({ address } = verifier);
  client = createVerifierClient(address);
  return async () => {
    client.close();
    await verifier.stop();
  };
}, 120_000);

/** Watches a generation from now on. */
function watch() {
  opened.mockClear();
  forward.mockClear();
  disposed.mockClear();
  return {
    /** Resolves when every sequence that was opened is given back. */
    async freed(): Promise<void> {
      await vi.waitUntil(() => disposed.mock.calls.length > 0, { timeout: 20_000, interval: 5 });
      const sequences = await Promise.all(opened.mock.results.map(({ value }) => value));
      expect(disposed.mock.contexts).toEqual(sequences);
    },
  };
}

/** Resolves when `read` has given the same for a second. */
async function settled(read: () => number): Promise<number> {
  let last = -1;
  let since = 0;
  await vi.waitUntil(
    () => {
      if (read() !== last) [last, since] = [read(), performance.now()];
      return performance.now() - since > 1000;
    },
    { timeout: 60_000, interval: 20 },
  );
  return last;
}

const text = (value: string): Partial<GenerateRequest> => ({ prompt: { $case: "text", value } });
const conversation = (role: string, content: string): Partial<GenerateRequest> => ({
  prompt: { $case: "conversation", value: { messages: [{ role, content }] } },
});
const sampling = (wrong: object): Partial<GenerateRequest> => ({
  sampling: { coupling: 0, ...wrong },
});
const bytes = (value: Buffer): Buffer => value;

describe("a client that reads one message and then nothing", () => {
  it(
    "holds the generation back, and gets all of it when it reads on",
    { timeout: 120_000 },
    async () => {
      const message = request({ ...large, maxTokens: 96 });
      const whole = await collect(client.generate(message));
      expect(whole.ids).toHaveLength(96);

      forward.mockClear();
      const held = await hold(address, message);
      // One chunk a forward: this is also how many chunks are buffered anywhere.
      expect(await settled(() => forward.mock.calls.length)).toBeLessThan(80);
      const rest = await held.rest();
      expect(rest.text).toBe(whole.text);
      expect(rest.ids).toEqual(whole.ids);
      expect(rest.finished.usage).toEqual(whole.finished.usage);
      expect(forward.mock.calls).toHaveLength(96);
    },
  );
});

describe("a client that goes away", () => {
  it("between two tokens stops the engine within one forward, and its sequence is given back", async () => {
    const { freed } = watch();
    const abort = new AbortController();
    const { signal } = abort;
    let atAbort = 0;
    const running = (async () => {
      let chunks = 0;
      for await (const _ of client.generate(request({ maxTokens: 2000 }), { signal })) {
        if (++chunks !== 8) continue;
        atAbort = forward.mock.calls.length;
        abort.abort();
      }
    })();
    expect(await failure(running)).toMatchObject({ code: "CANCELLED" });
    await freed();
    expect(forward.mock.calls.length - atAbort).toBeLessThan(2);
  });

  it(
    "inside a long prompt stops the engine there, and its sequence is given back",
    { timeout: 120_000 },
    async () => {
      // Some 1,800 tokens, eight runs of the session.
      const value = "The quick brown fox jumps over the dog. ".repeat(180);
      const message = request({ ...text(value), maxTokens: 1 });
      let started = performance.now();
      await collect(client.generate(message));
      const whole = performance.now() - started;

      const { freed } = watch();
      const abort = new AbortController();
      const running = failure(collect(client.generate(message, { signal: abort.signal })));
      await vi.waitUntil(() => forward.mock.calls.length > 0, { interval: 1 });
      started = performance.now();
      abort.abort();
      expect(await running).toMatchObject({ code: "CANCELLED" });
      await freed();
      // The engine is free for the next one, too.
      await collect(client.generate(request({ maxTokens: 1 })));
      expect(performance.now() - started).toBeLessThan(whole / 2);
    },
  );
});

describe("a client that asks for the impossible", () => {
  it.each<[string, string, Partial<GenerateRequest>]>([
    [
      "OUT_OF_RANGE",
      "prompt: 9031 tokens leave no room in a context of 8192",
      conversation("user", "a ".repeat(9000)),
    ],
    [
      "INVALID_ARGUMENT",
      "conversation.messages: must not be empty",
      { prompt: { $case: "conversation", value: { messages: [] } } },
    ],
    [
      "INVALID_ARGUMENT",
      'role: must be one of system, user, assistant, tool, got "god"',
      conversation("god", "x"),
    ],
    [
      "INVALID_ARGUMENT",
      "sampling: temperature must be at least 0, got NaN",
      sampling({ temperature: NaN }),
    ],
    ["INVALID_ARGUMENT", "sampling: topP must be in (0, 1], got 1.5", sampling({ topP: 1.5 })],
    ["INVALID_ARGUMENT", "sampling: minP must be in [0, 1), got 1", sampling({ minP: 1 })],
    ["INVALID_ARGUMENT", "max_tokens: must be at least 1, got 0", { maxTokens: 0 }],
    [
      "INVALID_ARGUMENT",
      "stop: must hold at most 16 strings, got 17",
      { stop: Array.from({ length: 17 }, () => "x") },
    ],
    ["INVALID_ARGUMENT", "stop: must have 1 to 1024 characters, got 0", { stop: ["x", ""] }],
    [
      "INVALID_ARGUMENT",
      "stop: must have 1 to 1024 characters, got 1025",
      { stop: ["x".repeat(1025)] },
    ],
    ["INVALID_ARGUMENT", "log_probs.top: must be in [0, 64], got 65", { logProbs: { top: 65 } }],
    [
      "INVALID_ARGUMENT",
      "speculation.num_speculative_tokens: must be in [0, 64], got 65",
      { speculation: { drafter: "", numSpeculativeTokens: 65 } },
    ],
    [
      "FAILED_PRECONDITION",
      "speculation.drafter: suffix needs a draft server, and this verifier has none",
      { speculation: { drafter: "suffix", numSpeculativeTokens: 0 } },
    ],
  ])("is told %s, %s", async (code, message, wrong) => {
    expect(await failure(collect(client.generate(request(wrong))))).toMatchObject({
      code,
      message,
    });
  });

  it("is told which id is no token", async () => {
    for (const id of [49_152, 2 ** 32 - 1]) {
      expect(await failure(client.detokenize({ ids: [1, id] }))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: `ids: must be in [0, 49152), got ${id}`,
      });
    }
  });

  it("is told how much text can be scored, before the engine begins", async () => {
    expect(await failure(client.score({ text: "a" }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "scoreTokens: needs at least 2 ids, got 1",
    });
    const long = client.score({ text: "a ".repeat(9000) }, { timeoutMs: 5000 });
    expect(await failure(long)).toMatchObject({
      code: "OUT_OF_RANGE",
      message: expect.stringMatching(/9001 .* 8192/),
    });
  });

  it("is told that text must be UTF-8", async () => {
    const raw = dial(address);
    // Field 1, two bytes, of which the first begins no character.
    const wrong = Buffer.from([0x0a, 2, 0xff, 0x61]);
    const refusal = { code: 3, details: expect.stringContaining("UTF-8") };
    const tokenized = new Promise((resolve, reject) => {
      const { path } = VerifierServiceService.tokenize;
      raw.makeUnaryRequest(path, bytes, bytes, wrong, (error, value) =>
        error ? reject(error) : resolve(value),
      );
    });
    const { path } = VerifierServiceService.generate;
    const generated = raw.makeServerStreamRequest(path, bytes, bytes, wrong).toArray();
    expect(await failure(tokenized)).toMatchObject(refusal);
    expect(await failure(generated)).toMatchObject(refusal);
  });

  it("harms nobody else", async () => {
    const { text: said } = await collect(
      client.generate(request({ ...text("The capital of France is"), maxTokens: 1 })),
    );
    expect(said).toBe(" Paris");
  });
});
