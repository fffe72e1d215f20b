/** What the caller's thread and the session's thread say to each other. Calls are answered in order of arrival, a sequence's casts are not answered. */
import type { LogitRows, ProbsErrorCode } from "@veridraft/core-probs";
import type { DeltaGraph } from "./delta-graph.ts";
import type { FullGraph } from "./full-graph.ts";
import type { SessionOptions } from "./session.ts";

/** Starts the worker. */
export interface WorkerOptions {
  readonly graph: DeltaGraph | FullGraph;
  readonly session: SessionOptions;
  readonly contextLength: number;
  /** Most bytes of keys and values; more than that is refused. */
  readonly maxCacheBytes: number;
  /** Most bytes of those that are kept of sequences that have ended. */
  readonly prefixCacheBytes: number;
}

/** A forward after the committed rows of a sequence. */
export interface ForwardCall {
  readonly op: "forward";
  readonly call: number;
  readonly sequence: number;
  /** Committed rows. */
  readonly base: number;
  readonly ids: Int32Array;
  /** null for a causal run; else parents of the nodes, -1 for a child of the last committed token. */
  readonly parents: Int32Array | null;
  readonly rows: LogitRows;
  /** False runs one row alone, for the control of the self-test. */
  readonly padded: boolean;
  /** Whether hidden states are wanted, too. */
  readonly taps: boolean;
}

export type Request =
  | ForwardCall
  | { readonly op: "open"; readonly sequence: number; readonly abort: Int32Array }
  | { readonly op: "keep"; readonly sequence: number; readonly length: number }
  | { readonly op: "path"; readonly sequence: number; readonly nodes: Int32Array }
  | {
      readonly op: "fork";
      readonly sequence: number;
      readonly into: number;
      readonly abort: Int32Array;
    }
  | { readonly op: "close"; readonly sequence: number }
  | { readonly op: "statistics"; readonly call: number };

/** What a session holds and did. */
export interface EngineStatistics {
  /** Sequences that are open. */
  readonly sequences: number;
  /** Bytes of keys and values: theirs, and those kept of sequences that have ended. */
  readonly cacheBytes: number;
  /** Sequences that have ended and whose rows are kept. */
  readonly prefixes: number;
  /** Runs of the session. */
  readonly runs: number;
  /** Forwards of sequences in them: more than `runs` where several ran together. */
  readonly forwards: number;
  /** Rows in them, without padding. */
  readonly rows: number;
  /** Rows that did not run since others began with the same tokens. */
  readonly prefixRows: number;
}

export type Response =
  | { readonly op: "ready" }
  /** The session could not start; the thread is to be ended. */
  | { readonly op: "refused"; readonly code: ProbsErrorCode | null; readonly message: string }
  | {
      readonly op: "logits";
      readonly call: number;
      readonly data: Float32Array;
      readonly rows: number;
      /** Null where not asked for. */
      readonly taps: Float32Array | null;
    }
  | { readonly op: "statistics"; readonly call: number; readonly statistics: EngineStatistics }
  | { readonly op: "aborted"; readonly call: number }
  | {
      readonly op: "failed";
      readonly call: number;
      readonly code: ProbsErrorCode | null;
      readonly message: string;
    };
