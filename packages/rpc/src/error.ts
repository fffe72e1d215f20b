/** One error class for both ends of the wire, with the rich details of google.rpc.Status. */
import { Metadata, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo, RetryInfo } from "./gen/google/rpc/error_details.ts";
import { Status } from "./gen/google/rpc/status.ts";

const numbers = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const names = new Map(Object.entries(numbers).map(([name, code]) => [code as number, name]));

/** The name of a gRPC status other than OK. */
export type StatusCode = keyof typeof numbers;

/** A detail that travels beside the message. */
export type ErrorDetail =
  | {
      readonly type: "BadRequest";
      readonly violations: readonly { readonly field: string; readonly description: string }[];
    }
  | {
      readonly type: "ErrorInfo";
      /** UPPER_SNAKE_CASE, unique within the domain. */
      readonly reason: string;
      readonly domain: string;
      readonly metadata: Readonly<Record<string, string>>;
    }
  | { readonly type: "RetryInfo"; readonly delayMs: number }
  | { readonly type: "Other"; readonly typeUrl: string; readonly value: Uint8Array };

/** More about an {@link RpcError}. */
export interface RpcErrorOptions extends ErrorOptions {
  readonly details?: readonly ErrorDetail[];
  /** The id under which the server logged the call. */
  readonly requestId?: string;
}

const marker: unique symbol = Symbol.for("@veridraft/RpcError") as never;

/** A call that failed: thrown by handlers to choose the status, and by clients for every status other than OK. */
export class RpcError extends Error {
  readonly [marker] = true;
  readonly code: StatusCode;
  readonly details: readonly ErrorDetail[];
  readonly requestId: string | undefined;

  constructor(code: StatusCode, message: string, options: RpcErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "RpcError";
    this.code = code;
    this.details = options.details ?? [];
    this.requestId = options.requestId;
  }
}

/** Whether `error` is an {@link RpcError}, from this or another copy of the package. */
export function isRpcError(error: unknown): error is RpcError {
  return typeof error === "object" && error !== null && marker in error;
}

/**
 * INVALID_ARGUMENT for one field of a request, named in the message and in a BadRequest detail.
 *
 * @example invalidField("budget", "must be in [1, 64], got 65").message // "budget: must be in [1, 64], got 65"
 */
export function invalidField(field: string, description: string): RpcError {
  return new RpcError("INVALID_ARGUMENT", `${field}: ${description}`, {
    details: [{ type: "BadRequest", violations: [{ field, description }] }],
  });
}

const detailsKey = "grpc-status-details-bin";
const requestIdKey = "x-request-id";
const urlPrefix = "type.googleapis.com/google.rpc.";
/** Together below the 16 KiB that most peers take as trailers; a message grows up to ninefold when it is URI-encoded. */
const maxMessageLength = 800;
const maxDetailsBytes = 4096;

/** What grpc-js sends for an error. Lone surrogates are replaced: they would make its encoder throw. */
export function toStatusObject(error: RpcError, requestId: string): StatusObject {
  const code = numbers[error.code];
  const message = error.message.slice(0, maxMessageLength).replace(/\p{Surrogate}/gu, "\ufffd");
  const metadata = new Metadata();
  metadata.set(requestIdKey, requestId);
  if (error.details.length > 0) {
    const bytes = Status.encode({ code, message, details: error.details.map(packDetail) }).finish();
    if (bytes.length <= maxDetailsBytes) metadata.set(detailsKey, Buffer.from(bytes));
  }
  return { code, details: message, metadata };
}

/** The error of a call as the client throws it. */
export function fromServiceError(error: ServiceError): RpcError {
  const details = error.metadata?.get(detailsKey)[0];
  const requestId = error.metadata?.get(requestIdKey)[0];
  return new RpcError(codeOf(error), error.details, {
    cause: error,
    details: Buffer.isBuffer(details) ? unpackDetails(details) : [],
    ...(typeof requestId === "string" ? { requestId } : {}),
  });
}

/** A connection that breaks under a call is reported by grpc-js as INTERNAL. */
function codeOf(error: ServiceError): StatusCode {
  const name = (names.get(error.code) ?? "UNKNOWN") as StatusCode;
  return name === "INTERNAL" && /RST_STREAM with code 2|ECONNRESET/.test(error.details)
    ? "UNAVAILABLE"
    : name;
}

function packDetail(detail: ErrorDetail): { typeUrl: string; value: Uint8Array } {
  switch (detail.type) {
    case "BadRequest": {
      const fieldViolations = detail.violations.map((v) => ({ ...v }));
      const message = BadRequest.fromPartial({ fieldViolations });
      return { typeUrl: `${urlPrefix}BadRequest`, value: BadRequest.encode(message).finish() };
    }
    case "ErrorInfo": {
      const { reason, domain, metadata } = detail;
      const value = ErrorInfo.encode({ reason, domain, metadata: { ...metadata } }).finish();
      return { typeUrl: `${urlPrefix}ErrorInfo`, value };
    }
    case "RetryInfo": {
      const seconds = Math.floor(detail.delayMs / 1000);
      const nanos = Math.round((detail.delayMs - seconds * 1000) * 1e6);
      const value = RetryInfo.encode({ retryDelay: { seconds: BigInt(seconds), nanos } }).finish();
      return { typeUrl: `${urlPrefix}RetryInfo`, value };
    }
    case "Other":
      return { typeUrl: detail.typeUrl, value: detail.value };
  }
}

/** Details that cannot be decoded are dropped: the code and the message stand without them. */
function unpackDetails(bytes: Uint8Array): ErrorDetail[] {
  try {
    return Status.decode(bytes).details.map(({ typeUrl, value }): ErrorDetail => {
      switch (typeUrl) {
        case `${urlPrefix}BadRequest`: {
          const violations = BadRequest.decode(value).fieldViolations.map(
            ({ field, description }) => ({ field, description }),
          );
          return { type: "BadRequest", violations };
        }
        case `${urlPrefix}ErrorInfo`:
          return { type: "ErrorInfo", ...ErrorInfo.decode(value) };
        case `${urlPrefix}RetryInfo`: {
          const { seconds = 0n, nanos = 0 } = RetryInfo.decode(value).retryDelay ?? {};
          return { type: "RetryInfo", delayMs: Number(seconds) * 1000 + nanos / 1e6 };
        }
        default:
          return { type: "Other", typeUrl, value };
      }
    });
  } catch {
    return [];
  }
}
