/**
 * Adapters between async handlers and grpc-js, which ignores what a handler returns or throws.
 *
 * Each call gets an AbortSignal that fires when the caller cancels, when the deadline passes and when the server is stopped by force. Responses
 * are written as fast as the reader takes them; whatever a handler throws becomes a status; a call beyond the limit is refused.
 */
import { randomUUID } from "node:crypto";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
} from "@grpc/grpc-js";
import { isRpcError, RpcError, type StatusCode, toStatusObject } from "./error.ts";
import { readable } from "./requests.ts";

/** What a handler knows about its call beside the request. */
export interface CallContext {
  /** Fires when nobody waits for the answer any more; pass it to everything that takes time. The reason is an {@link RpcError}. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch; Infinity where the caller set none. */
  readonly deadline: number;
  readonly metadata: Metadata;
  /** The caller's `x-request-id`, or a random one. */
  readonly requestId: string;
}

/** Answers one request. */
export type UnaryHandler<Request, Response> = (
  request: Request,
  context: CallContext,
) => Promise<Response>;

/** Answers one request with a stream; usually an async generator. */
export type ServerStreamHandler<Request, Response> = (
  request: Request,
  context: CallContext,
) => AsyncIterable<Response>;

/** Answers a stream with a stream; usually an async generator. */
export type BidiHandler<Request, Response> = (
  requests: AsyncIterable<Request>,
  context: CallContext,
) => AsyncIterable<Response>;

/** How a call ended. */
export interface CallLog {
  /** Path of the method, as in `/veridraft.draft.v1.DraftService/Draft`. */
  readonly method: string;
  readonly requestId: string;
  readonly status: StatusCode | "OK";
  readonly ms: number;
  /** What a handler threw. The caller was told nothing of it where the status is INTERNAL. */
  readonly error?: unknown;
}

/** What all calls of a server have in common. */
export interface HandlerOptions {
  /** The status of an error that is no {@link RpcError}; undefined makes it INTERNAL, with a message that says nothing. */
  readonly toStatus?: (error: unknown) => RpcError | undefined;
  /** Told about every call when its handler has ended. */
  readonly log?: (call: CallLog) => void;
  /** Calls that run at the same time, of all connections. Default 64. */
  readonly maxCalls?: number;
  /** How long a response waits for a reader before the call ends with RESOURCE_EXHAUSTED. Default 30 s. */
  readonly writeTimeoutMs?: number;
  /** A call that must end within less than this is refused with DEADLINE_EXCEEDED at once: the measured time of one step. Default 0. */
  readonly minStepMs?: () => number;
}

/** What all kinds of call have. */
interface AnyCall {
  readonly metadata: Metadata;
  getDeadline(): Date | number;
  getPath(): string;
  on(event: "cancelled", listener: () => void): unknown;
}

/** A call that answers with a stream. */
interface ResponseStream<S> {
  write(response: S): boolean;
  end(): unknown;
  on(event: "drain", listener: () => void): unknown;
  off(event: "drain", listener: () => void): unknown;
}

/** Default of `maxCalls`. */
export const defaultMaxCalls = 64;

/** Tells the caller how the call failed. */
type Fail = (error: RpcError, requestId: string) => void;

const retryDelayMs = 500;
const longestTimerMs = 2 ** 31 - 1;

/** Wraps handlers and knows the calls that run. */
export class Adapters {
  readonly #options: HandlerOptions;
  readonly #running = new Set<(reason: RpcError) => void>();
  #limitedCalls = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(options: HandlerOptions = {}) {
    this.#options = options;
  }

  /** @param limited Whether calls of this method count against `maxCalls`. */
  unary<Q, S>(handler: UnaryHandler<Q, S>, limited: boolean): handleUnaryCall<Q, S> {
    return (call, callback) => {
      const fail: Fail = (error, requestId) => callback(toStatusObject(error, requestId));
      this.#run(call, limited, fail, async (context) => {
        const response = await handler(readable(call.request), context);
        return () => callback(null, response);
      });
    };
  }

  /** As {@link unary}. */
  serverStream<Q, S>(
    handler: ServerStreamHandler<Q, S>,
    limited: boolean,
  ): handleServerStreamingCall<Q, S> {
    return (call) => {
      const fail: Fail = (error, requestId) => call.emit("error", toStatusObject(error, requestId));
      this.#run(call, limited, fail, async (context) =>
        this.#writeAll(call, handler(readable(call.request), context), context.signal),
      );
    };
  }

  /** As {@link unary}. */
  bidi<Q, S>(handler: BidiHandler<Q, S>, limited: boolean): handleBidiStreamingCall<Q, S> {
    return (call) => {
      const fail: Fail = (error, requestId) => call.emit("error", toStatusObject(error, requestId));
      this.#run(call, limited, fail, (context, abort) => {
        const requests = readAll(call, context.signal, abort);
        return this.#writeAll(call, handler(requests, context), context.signal);
      });
    };
  }

  /** From now on calls are refused with UNAVAILABLE. Resolves when the last one that runs has ended. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Ends every call that runs with UNAVAILABLE and fires its signal. */
  abort(): void {
    const reason = new RpcError("UNAVAILABLE", "the server was stopped");
    for (const abort of this.#running) abort(reason);
  }

  #refusal(limited: boolean, deadline: number): RpcError | undefined {
    const { maxCalls = defaultMaxCalls, minStepMs } = this.#options;
    if (this.#draining) return new RpcError("UNAVAILABLE", "the server is shutting down");
    if (limited && this.#limitedCalls >= maxCalls) {
      return new RpcError("RESOURCE_EXHAUSTED", `the server runs ${maxCalls} calls, its limit`, {
        details: [{ type: "RetryInfo", delayMs: retryDelayMs }],
      });
    }
    const left = deadline - Date.now();
    const step = minStepMs?.() ?? 0;
    return left < step
      ? new RpcError("DEADLINE_EXCEEDED", `${Math.round(left)} ms left, one step takes ${step} ms`)
      : undefined;
  }

  /** @param body Runs the handler and returns what tells the caller that all is well; may abort the call. */
  #run(
    call: AnyCall,
    limited: boolean,
    fail: Fail,
    body: (context: CallContext, abort: (reason: RpcError) => void) => Promise<() => void>,
  ): void {
    const started = performance.now();
    const requestId = requestIdOf(call.metadata);
    const deadline = Number(call.getDeadline());
    const log = (status: CallLog["status"], error?: unknown): void => {
      const ms = performance.now() - started;
      const cause = error === undefined ? {} : { error };
      this.#options.log?.({ method: call.getPath(), requestId, status, ms, ...cause });
    };
    const refusal = this.#refusal(limited, deadline);
    if (refusal) {
      fail(refusal, requestId);
      log(refusal.code, refusal);
      return;
    }
    const controller = new AbortController();
    const { signal } = controller;
    const abort = (reason: RpcError): void => {
      if (signal.aborted || !this.#running.has(abort)) return;
      controller.abort(reason);
      // At once: a handler may take its time, and one that waits for a request is woken by the error.
      fail(reason, requestId);
    };
    // The timer of grpc-js tells the caller, but the handler only when the reader has taken what was written.
    const timer = Number.isFinite(deadline)
      ? setTimeout(
          () => abort(new RpcError("DEADLINE_EXCEEDED", "the deadline has passed")),
          Math.min(deadline - Date.now() + 1, longestTimerMs),
        )
      : undefined;
    call.on("cancelled", () => {
      const passed = Date.now() >= deadline;
      abort(
        passed
          ? new RpcError("DEADLINE_EXCEEDED", "the deadline has passed")
          : new RpcError("CANCELLED", "the caller cancelled"),
      );
    });
    this.#running.add(abort);
    if (limited) this.#limitedCalls++;
    const end = (): void => {
      clearTimeout(timer);
      this.#running.delete(abort);
      if (limited) this.#limitedCalls--;
      if (this.#running.size === 0) this.#onIdle?.();
    };
    const settle = async (): Promise<void> => {
      try {
        const context = { signal, deadline, metadata: call.metadata, requestId };
        const succeed = await body(context, abort);
        signal.throwIfAborted();
        end();
        succeed();
        log("OK");
      } catch (error) {
        end();
        const status = this.#statusOf(error, signal, requestId);
        if (!signal.aborted) fail(status, requestId);
        log(status.code, error);
      }
    };
    settle().catch((error: unknown) => process.emitWarning(error as Error));
  }

  #statusOf(error: unknown, signal: AbortSignal, requestId: string): RpcError {
    if (signal.aborted) return signal.reason as RpcError;
    return (
      (isRpcError(error) ? error : this.#options.toStatus?.(error)) ??
      new RpcError("INTERNAL", `internal error, logged as request ${requestId}`)
    );
  }

  async #writeAll<S>(
    call: ResponseStream<S>,
    responses: AsyncIterable<S>,
    signal: AbortSignal,
  ): Promise<() => void> {
    const { writeTimeoutMs = 30_000 } = this.#options;
    for await (const response of responses) {
      signal.throwIfAborted();
      if (!call.write(response)) await drained(call, signal, writeTimeoutMs);
    }
    return () => call.end();
  }
}

/** The requests of a stream; ends with the signal's reason when that fires. One that cannot be read aborts the call, whatever the handler does. */
async function* readAll<Q, S>(
  call: ServerDuplexStream<Q, S>,
  signal: AbortSignal,
  abort: (reason: RpcError) => void,
): AsyncGenerator<Q> {
  try {
    // By default a reader that stops early would destroy the writing side, too.
    for await (const request of call.iterator({ destroyOnReturn: false })) yield readable(request);
    // A caller that cancels before it has sent all seems to have sent all until the stream is closed.
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  } catch (error) {
    if (isRpcError(error)) abort(error);
    throw signal.aborted ? signal.reason : error;
  }
}

function drained<S>(
  call: ResponseStream<S>,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: RpcError): void => {
      clearTimeout(timer);
      call.off("drain", onDrain);
      signal.removeEventListener("abort", onAbort);
      if (error) reject(error);
      else resolve();
    };
    const onDrain = (): void => settle();
    const onAbort = (): void => settle(signal.reason as RpcError);
    const timer = setTimeout(() => {
      settle(new RpcError("RESOURCE_EXHAUSTED", `the reader took nothing for ${timeoutMs} ms`));
    }, timeoutMs);
    call.on("drain", onDrain);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}

/** An id that is safe in a log line: the caller's, if it is. */
function requestIdOf(metadata: Metadata): string {
  const [given] = metadata.get("x-request-id");
  return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
