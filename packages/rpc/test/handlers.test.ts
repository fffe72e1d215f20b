import { type ErrorDetail, invalidField, RpcError } from "@veridraft/rpc";
import type { CallLog } from "@veridraft/rpc/server";
import { describe, expect, it } from "vitest";
import { Adapters } from "../src/handlers.ts";
import { answer, collect, deferred, failure, propose, serve, text, textOf } from "./harness.ts";

const generate = { prompt: { $case: "text" as const, value: "x" }, stop: [] };

/** Fires when the signal does, with its reason. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(signal.reason));
  });
}

describe("errors", () => {
  it("hides what it does not know, and logs it under the id that the caller sees", async () => {
    const calls: CallLog[] = [];
    const { draft } = await serve(
      {
        draft: {
          getModelInfo: () => {
            throw new Error("secret path");
          },
        },
      },
      { log: (call) => calls.push(call) },
    );
    const error = await failure(draft.getModelInfo({}, { requestId: "abc-1" }));
    expect(error).toMatchObject({
      name: "RpcError",
      code: "INTERNAL",
      message: "internal error, logged as request abc-1",
      requestId: "abc-1",
      details: [],
    });
    expect(calls).toMatchObject([
      {
        method: "/veridraft.draft.v1.DraftService/GetModelInfo",
        requestId: "abc-1",
        status: "INTERNAL",
        error: { message: "secret path" },
      },
    ]);
  });

  it("maps what toStatus knows", async () => {
    const { draft } = await serve(
      { draft: { getModelInfo: () => Promise.reject(new RangeError("too long")) } },
      {
        toStatus: (error) =>
          error instanceof RangeError ? new RpcError("OUT_OF_RANGE", error.message) : undefined,
      },
    );
    expect(await failure(draft.getModelInfo({}))).toMatchObject({
      code: "OUT_OF_RANGE",
      message: "too long",
    });
  });

  it("ends streams with a status after what was already sent", async () => {
    const { verify, draft } = await serve({
      verifier: {
        async *generate() {
          yield text("a");
          throw new RpcError("FAILED_PRECONDITION", "no model");
        },
      },
      draft: {
        async *draft(requests) {
          for await (const _ of requests) {
            yield answer(1);
            throw new Error("secret");
          }
        },
      },
    });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const response of verify.generate(generate)) seen.push(textOf(response));
    })();
    expect(await failure(reading)).toMatchObject({ code: "FAILED_PRECONDITION" });
    expect(seen).toEqual(["a"]);

    const call = draft.draft();
    await call.send(propose(1));
    expect(await failure(collect(call.responses))).toMatchObject({ code: "INTERNAL" });
    await expect(call.send(propose(2))).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("carries rich details", async () => {
    const details: ErrorDetail[] = [
      {
        type: "BadRequest",
        violations: [{ field: "sampling.top_p", description: "must be in (0, 1], got 2" }],
      },
      {
        type: "ErrorInfo",
        reason: "TOKENIZER_MISMATCH",
        domain: "veridraft",
        metadata: { mine: "ab", yours: "cd" },
      },
      { type: "RetryInfo", delayMs: 1250.5 },
      { type: "Other", typeUrl: "type.example/X", value: Buffer.from([1, 2]) },
    ];
    const { draft } = await serve({
      draft: {
        getModelInfo: async () => {
          throw new RpcError("INVALID_ARGUMENT", "größer als 1 \ud800", { details });
        },
      },
    });
    expect(await failure(draft.getModelInfo({}))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "größer als 1 \ufffd",
      details,
    });
  });

  it("names a field in message and detail", () => {
    expect(invalidField("budget", "must be in [1, 64], got 65")).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "budget: must be in [1, 64], got 65",
      details: [{ violations: [{ field: "budget" }] }],
    });
  });

  it("shortens messages and drops details that trailers could not hold", async () => {
    const violations = [{ field: "f", description: "d".repeat(5000) }];
    const { draft } = await serve({
      draft: {
        getModelInfo: async () => {
          throw new RpcError("NOT_FOUND", "語".repeat(5000), {
            details: [{ type: "BadRequest", violations }],
          });
        },
      },
    });
    expect(await failure(draft.getModelInfo({}))).toMatchObject({
      code: "NOT_FOUND",
      message: "語".repeat(800),
      details: [],
    });
  });
});

describe("cancellation", () => {
  it("aborts the handler when the client leaves its loop", async () => {
    const reason = deferred<unknown>();
    const { verify } = await serve({
      verifier: {
        async *generate(_request, { signal }) {
          signal.addEventListener("abort", () => reason.resolve(signal.reason));
          yield text("a");
          await aborted(signal);
        },
      },
    });
    for await (const _ of verify.generate(generate)) break;
    expect(await reason.promise).toMatchObject({ code: "CANCELLED" });
  });

  it("aborts the handler when the client's signal fires, also while it waits for a request", async () => {
    const reason = deferred<unknown>();
    const { draft } = await serve({
      draft: {
        async *draft(requests, { signal }) {
          yield answer(0);
          try {
            for await (const _ of requests);
          } catch (error) {
            expect(signal.aborted).toBe(true);
            reason.resolve(error);
          }
        },
      },
    });
    const controller = new AbortController();
    const call = draft.draft({ signal: controller.signal });
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const response of call.responses) {
        seen.push(response);
        controller.abort();
      }
    })();
    expect(await failure(reading)).toMatchObject({ code: "CANCELLED" });
    expect(seen).toHaveLength(1);
    expect(await reason.promise).toMatchObject({ code: "CANCELLED" });
  });

  it("cancels unary calls", async () => {
    const started = deferred<AbortSignal>();
    const { draft } = await serve({
      draft: {
        getModelInfo: (_request, { signal }) => {
          started.resolve(signal);
          return new Promise(() => undefined);
        },
      },
    });
    const controller = new AbortController();
    const calling = failure(draft.getModelInfo({}, { signal: controller.signal }));
    const signal = await started.promise;
    const seen = aborted(signal);
    controller.abort();
    expect(await calling).toMatchObject({ code: "CANCELLED" });
    expect(await seen).toMatchObject({ code: "CANCELLED" });
    expect(await failure(draft.getModelInfo({}, { signal: controller.signal }))).toMatchObject({
      code: "CANCELLED",
      message: "cancelled before it began",
    });
  });
});

describe("deadlines", () => {
  it("ends a call and aborts its handler", async () => {
    const reason = deferred<unknown>();
    const { verify } = await serve({
      verifier: {
        async *generate(_request, { signal, deadline }) {
          expect(deadline - Date.now()).toBeLessThanOrEqual(50);
          yield text("a");
          reason.resolve(await aborted(signal));
        },
      },
    });
    const reading = collect(verify.generate(generate, { timeoutMs: 50 }));
    expect(await failure(reading)).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(await reason.promise).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  it("refuses at once what cannot end in time", async () => {
    let ran = false;
    const { verify } = await serve(
      {
        verifier: {
          score: async () => {
            ran = true;
            throw new Error("unreachable");
          },
        },
      },
      { minStepMs: () => 10_000 },
    );
    const error = await failure(verify.score({ text: "x" }, { timeoutMs: 2000 }));
    expect(error).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: expect.stringMatching(/^\d+ ms left, one step takes 10000 ms$/),
    });
    expect(ran).toBe(false);
  });

  it("leaves calls without a deadline alone", async () => {
    const { draft } = await serve({}, { minStepMs: () => 10_000 });
    expect(await draft.getModelInfo({}, { timeoutMs: Infinity })).toMatchObject({
      drafters: ["suffix"],
    });
  });
});

describe("Adapters", () => {
  it("refuses new calls on open connections once it drains", () => {
    const adapters = new Adapters();
    void adapters.drain();
    const handle = adapters.unary(async () => "never", false);
    const call = { metadata: { get: () => [] }, getDeadline: () => Infinity, getPath: () => "/x" };
    let status: unknown;
    handle(call as never, (error) => {
      status = error;
    });
    expect(status).toMatchObject({ code: 14, details: "the server is shutting down" });
  });
});
