import { once } from "node:events";
import { Client, credentials } from "@grpc/grpc-js";
import { DraftServiceService } from "@veridraft/rpc/draft";
import type { CallLog } from "@veridraft/rpc/server";
import { describe, expect, it, onTestFinished } from "vitest";
import { answer, collect, deferred, failure, propose, serve, text, textOf } from "./harness.ts";

const generate = { prompt: { $case: "text" as const, value: "x" }, stop: [] };

describe("limits", () => {
  it("refuses calls beyond the limit and tells when to try again; cheap methods still answer", async () => {
    const running = deferred();
    const release = deferred();
    const { draft, verify } = await serve(
      {
        verifier: {
          async *generate() {
            running.resolve();
            await release.promise;
            yield text("done");
          },
        },
      },
      { maxCalls: 1 },
    );
    const first = collect(verify.generate(generate));
    await running.promise;
    expect(await failure(collect(verify.generate(generate)))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: "the server runs 1 calls, its limit",
      details: [{ type: "RetryInfo", delayMs: 500 }],
    });
    expect(await draft.getModelInfo({})).toMatchObject({ drafters: ["suffix"] });
    release.resolve();
    expect((await first).map(textOf)).toEqual(["done"]);
    expect((await collect(verify.generate(generate))).map(textOf)).toEqual(["done"]);
  });

  it("refuses messages above the limit", async () => {
    const { verify } = await serve({}, { maxMessageBytes: 1000 });
    expect(await failure(verify.tokenize({ text: "x".repeat(1001) }))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: expect.stringContaining("larger than max"),
    });
  });

  it("stops writing to a reader that does not read, and ends the call", async () => {
    const chunk = "x".repeat(128 * 1024);
    const logged = deferred<CallLog>();
    let written = 0;
    let stopped = false;
    const { verify } = await serve(
      {
        verifier: {
          async *generate() {
            try {
              for (; written < 2000; written++) yield text(chunk);
            } finally {
              stopped = true;
            }
          },
        },
      },
      { writeTimeoutMs: 100, log: (call) => logged.resolve(call) },
    );
    const stream = verify.generate(generate);
    expect(await logged.promise).toMatchObject({ status: "RESOURCE_EXHAUSTED" });
    expect(stopped).toBe(true);
    // 128 KiB each: below 64 MiB of the 250 MiB.
    expect(written).toBeLessThan(512);
    expect(await failure(collect(stream))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: "the reader took nothing for 100 ms",
    });
  });

  it("waits for a reader that is only slow", async () => {
    const chunk = "x".repeat(256 * 1024);
    const { verify } = await serve({
      verifier: {
        async *generate() {
          for (let i = 0; i < 200; i++) yield text(chunk);
        },
      },
    });
    let read = 0;
    for await (const response of verify.generate(generate)) {
      if (read++ % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(textOf(response)).toHaveLength(chunk.length);
    }
    expect(read).toBe(200);
  });

  it("refuses a request that is not protobuf, and wakes the handler that waits for it", async () => {
    const woken = deferred<unknown>();
    const { server } = await serve({
      draft: {
        async *draft(requests) {
          yield answer(0);
          try {
            for await (const _ of requests);
          } catch (error) {
            woken.resolve(error);
          }
        },
      },
    });
    const client = new Client(server.address, credentials.createInsecure());
    onTestFinished(() => client.close());
    const { path } = DraftServiceService.draft;
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(path, Buffer.from, Buffer.from);
    const ended = once(call, "error");
    call.resume();
    // Field 2, length-delimited, 127 bytes, of which none follow.
    call.write(Buffer.from([0x12, 0x7f]));
    expect(await ended).toMatchObject([
      { code: 3, details: expect.stringMatching(/^the request: /) },
    ]);
    expect(await woken.promise).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("bidi", () => {
  it("answers each message, and ends when the client does", async () => {
    const { draft } = await serve();
    const call = draft.draft();
    const rounds: number[] = [];
    await call.send(propose(1));
    for await (const { response } of call.responses) {
      if (response?.$case !== "proposal") continue;
      rounds.push(response.value.round);
      if (rounds.length < 5) await call.send(propose(rounds.length + 1));
      else call.end();
    }
    expect(rounds).toEqual([1, 2, 3, 4, 5]);
    await expect(call.send(propose(6))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: "send after end",
    });
  });

  it("lets a handler answer after it has stopped reading", async () => {
    const { draft } = await serve({
      draft: {
        async *draft(requests) {
          for await (const _ of requests) break;
          yield answer(7);
        },
      },
    });
    const call = draft.draft();
    await call.send(propose(1));
    expect(await collect(call.responses)).toEqual([answer(7)]);
    await expect(call.send(propose(2))).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("is pushed back by a handler that does not read", async () => {
    const release = deferred();
    const { draft } = await serve({
      draft: {
        async *draft(requests) {
          await release.promise;
          let round = 0;
          for await (const _ of requests) round++;
          yield answer(round);
        },
      },
    });
    const call = draft.draft();
    const large = propose(1);
    large.request.value.commit = new Uint8Array(1 << 20);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 64; sent++) await call.send(large);
      call.end();
    })();
    const responses = collect(call.responses);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).toBeLessThan(64);
    release.resolve();
    await sending;
    expect(await responses).toEqual([answer(64)]);
  });
});
