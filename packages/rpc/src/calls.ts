/** The three kinds of call that the contract has, on the client's side. */
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { fromServiceError, RpcError } from "./error.ts";
import type { AnyMethod } from "./service.ts";

/** How one call behaves. */
export interface CallOptions {
  /** Cancels the call, which then ends with CANCELLED. */
  readonly signal?: AbortSignal;
  /** Deadline from now; Infinity for none. Default: the client's. */
  readonly timeoutMs?: number;
  /** Sent as `x-request-id`, under which the server logs the call. */
  readonly requestId?: string;
}

/** A call that streams both ways. */
export interface BidiCall<Request, Response> {
  /** Resolves when the next message may be sent. @throws RpcError where the call has ended. */
  send(message: Request): Promise<void>;
  /** Says that no more messages follow. */
  end(): void;
  /** Ends the call with CANCELLED. */
  cancel(): void;
  /** To be iterated once; leaving the loop early cancels the call. */
  readonly responses: AsyncIterable<Response>;
}

/** What a client method is made from. */
type Start = (client: Client, method: AnyMethod, timeoutMs: number) => unknown;

/** A method that answers one request. */
export const unary: Start =
  (client, method, timeoutMs) =>
  (request: unknown, options: CallOptions = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const { metadata, deadline } = prepare(options, timeoutMs);
      const call = client.makeUnaryRequest<unknown, unknown>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        deadline,
        (error, response) => {
          release();
          if (error) reject(fromServiceError(error));
          else resolve(response);
        },
      );
      const release = cancelOn(options.signal, call);
    });

/** A method that answers one request with a stream. */
export const serverStream: Start =
  (client, method, timeoutMs) =>
  (request: unknown, options: CallOptions = {}): AsyncIterable<unknown> => {
    const { metadata, deadline } = prepare(options, timeoutMs);
    const call = client.makeServerStreamRequest<unknown, unknown>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      deadline,
    );
    return readAll(call, watch(call, options.signal));
  };

/** A method that answers a stream with a stream. */
export const bidi: Start =
  (client, method, timeoutMs) =>
  (options: CallOptions = {}): BidiCall<unknown, unknown> => {
    const { metadata, deadline } = prepare(options, timeoutMs);
    const call = client.makeBidiStreamRequest<unknown, unknown>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
      deadline,
    );
    const state = watch(call, options.signal);
    return {
      send: (message) => send(call, state, message),
      end: () => call.end(),
      cancel: () => call.cancel(),
      responses: readAll(call, state),
    };
  };

/** How far a stream has come. */
interface StreamState {
  ended: boolean;
  failure: RpcError | undefined;
}

function prepare(
  options: CallOptions,
  timeoutMs: number,
): { metadata: Metadata; deadline: { deadline?: number } } {
  if (options.signal?.aborted) {
    throw new RpcError("CANCELLED", "cancelled before it began", { cause: options.signal.reason });
  }
  const metadata = new Metadata();
  if (options.requestId !== undefined) metadata.set("x-request-id", options.requestId);
  const ms = options.timeoutMs ?? timeoutMs;
  return { metadata, deadline: ms === Infinity ? {} : { deadline: Date.now() + ms } };
}

/** @returns what takes the listener off again. */
function cancelOn(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  const cancel = (): void => call.cancel();
  signal?.addEventListener("abort", cancel);
  return () => signal?.removeEventListener("abort", cancel);
}

/** Listens from the start: an error event without a listener would end the process. */
function watch(
  call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>,
  signal: AbortSignal | undefined,
): StreamState {
  const state: StreamState = { ended: false, failure: undefined };
  const release = cancelOn(signal, call);
  call.on("error", (error: ServiceError) => {
    state.failure ??= fromServiceError(error);
  });
  call.on("status", () => {
    state.ended = true;
    release();
  });
  // Until the first read grpc-js takes in messages without bound; after it, no more than a reader can hold.
  call.read(0);
  return state;
}

async function* readAll(
  call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>,
  state: StreamState,
): AsyncGenerator<unknown> {
  try {
    yield* call.iterator({ destroyOnReturn: false });
  } catch (error) {
    throw state.failure ?? error;
  } finally {
    if (!state.ended) call.cancel();
  }
  // A failure from before the first read reaches only the listener.
  if (state.failure) throw state.failure;
}

function send(
  call: ClientDuplexStream<unknown, unknown>,
  state: StreamState,
  message: unknown,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (): void =>
      reject(state.failure ?? new RpcError("ABORTED", "the server has ended the call"));
    if (call.writableEnded) {
      reject(new RpcError("FAILED_PRECONDITION", "send after end"));
    } else if (state.ended) {
      refuse();
    } else if (call.write(message)) {
      resolve();
    } else {
      const settle = (): void => {
        call.off("drain", settle);
        call.off("status", settle);
        if (state.ended) refuse();
        else resolve();
      };
      call.on("drain", settle);
      call.on("status", settle);
    }
  });
}
