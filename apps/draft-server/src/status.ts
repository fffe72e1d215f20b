/** The gRPC status of errors that veridraft throws on purpose. */
import { isProbsError, type ProbsErrorCode } from "@veridraft/core-probs";
import { RpcError, type StatusCode } from "@veridraft/rpc";

const statuses: Record<ProbsErrorCode, StatusCode | undefined> = {
  INVALID_ARGUMENT: "INVALID_ARGUMENT",
  SHAPE: "INVALID_ARGUMENT",
  CONTEXT_LENGTH: "OUT_OF_RANGE",
  UNSUPPORTED: "UNIMPLEMENTED",
  MODEL_FILE: "FAILED_PRECONDITION",
  RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
  // No caller can bring it about; what it says is for the log.
  DEGENERATE_DISTRIBUTION: undefined,
};

/** The `toStatus` of our servers: undefined, which is INTERNAL, for all errors but ProbsErrors. */
export function statusOf(error: unknown): RpcError | undefined {
  const code = isProbsError(error) ? statuses[error.code] : undefined;
  return code && new RpcError(code, (error as Error).message, { cause: error });
}
