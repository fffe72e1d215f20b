/** Typed clients: promises and async iterables instead of callbacks and events. */
import { Client, credentials } from "@grpc/grpc-js";
import { type BidiCall, type CallOptions, bidi, serverStream, unary } from "./calls.ts";
import { DraftServiceService } from "./gen/veridraft/draft/v1/draft.ts";
import { VerifierServiceService } from "./gen/veridraft/verifier/v1/verifier.ts";
import { defaultMaxMessageBytes, flowControlWindow } from "./limits.ts";
import type { Definition, RequestOf, ResponseOf } from "./service.ts";

export type { BidiCall, CallOptions } from "./calls.ts";

/** How a client behaves. */
export interface ClientOptions {
  /** Deadline of quick unary calls. Default 5 s. */
  readonly controlTimeoutMs?: number;
  /** Deadline of streams and of Score. Default 60 s. */
  readonly generateTimeoutMs?: number;
  /** Most bytes of a message, both ways. Default 16 MiB. */
  readonly maxMessageBytes?: number;
}

type ClientMethod<M extends Definition[string]> = M extends { responseStream: true }
  ? M extends { requestStream: true }
    ? (options?: CallOptions) => BidiCall<RequestOf<M>, ResponseOf<M>>
    : (request: RequestOf<M>, options?: CallOptions) => AsyncIterable<ResponseOf<M>>
  : (request: RequestOf<M>, options?: CallOptions) => Promise<ResponseOf<M>>;

/** One method for each of a definition's. All throw {@link RpcError}. */
export type RpcClient<D extends Definition> = { readonly [K in keyof D]: ClientMethod<D[K]> } & {
  /** Frees the connection; calls that run are cancelled. */
  close(): void;
};

/** Client of the draft service. */
export type DraftClient = RpcClient<typeof DraftServiceService>;

/** Client of the verifier service. */
export type VerifierClient = RpcClient<typeof VerifierServiceService>;

/** Dials a draft server, when the first call is made. @param address `host:port` or `unix:/path`. */
export function createDraftClient(address: string, options: ClientOptions = {}): DraftClient {
  return createClient(DraftServiceService, address, options);
}

/** Dials a verifier server, when the first call is made. @param address `host:port` or `unix:/path`. */
export function createVerifierClient(address: string, options: ClientOptions = {}): VerifierClient {
  return createClient(VerifierServiceService, address, options, ["score"]);
}

const retryPolicy = {
  maxAttempts: 4,
  initialBackoff: "0.05s",
  maxBackoff: "1s",
  backoffMultiplier: 2,
  retryableStatusCodes: ["UNAVAILABLE"],
};

function channelOptions(definition: Definition, address: string, maxMessageBytes: number): object {
  const retried = Object.values(definition)
    .filter((method) => !method.requestStream && !method.responseStream)
    .map(({ path }) => ({ service: path.split("/")[1], method: path.split("/")[2] }));
  const serviceConfig = {
    methodConfig: [{ name: retried, retryPolicy }],
    retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
  };
  return {
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc-node.flow_control_window": flowControlWindow,
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 5000,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.service_config": JSON.stringify(serviceConfig),
    // A proxy set in the environment must not take calls to this machine.
    ...(/^(unix:|localhost|127\.|\[::1\])/.test(address) && { "grpc.enable_http_proxy": 0 }),
  };
}

/** Every unary method of the contract is idempotent, so it is retried where the server could not be reached; streams never are. */
function createClient<D extends Definition>(
  definition: D,
  address: string,
  options: ClientOptions,
  slow: readonly (keyof D)[] = [],
): RpcClient<D> {
  const {
    controlTimeoutMs = 5000,
    generateTimeoutMs = 60_000,
    maxMessageBytes = defaultMaxMessageBytes,
  } = options;
  const client = new Client(
    address,
    credentials.createInsecure(),
    channelOptions(definition, address, maxMessageBytes),
  );
  const methods = Object.entries(definition).map(([name, method]) => {
    const quick = !method.responseStream && !slow.includes(name);
    const timeoutMs = quick ? controlTimeoutMs : generateTimeoutMs;
    const start = method.responseStream ? (method.requestStream ? bidi : serverStream) : unary;
    return [name, start(client, method, timeoutMs)];
  });
  return { ...Object.fromEntries(methods), close: () => client.close() };
}
