/** What the caller's thread and the session's thread say to each other. Calls are answered in order of arrival, a sequence's casts are not answered. */
import type { LogitRows, ProbsErrorCode } from "@veridraft/core-probs";

/** Starts the worker. */
export interface WorkerOptions {
  readonly modelPath: string;
  readonly threads: number;
  readonly spinning: boolean;
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly contextLength: number;
}

/** A forward after the committed rows of a sequence. */
export interface ForwardCall {
  readonly op: "forward";
  readonly call: number;
  readonly sequence: number;
  readonly ids: Int32Array;
  /** null for a causal run; else parents of the nodes, -1 for a child of the last committed token. */
  readonly parents: Int32Array | null;
  readonly rows: LogitRows;
  /** False runs one row alone, for the control of the self-test. */
  readonly padded: boolean;
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
  | { readonly op: "close"; readonly sequence: number };

export type Response =
  | { readonly op: "ready" }
  | {
      readonly op: "logits";
      readonly call: number;
      readonly data: Float32Array;
      readonly rows: number;
    }
  | { readonly op: "aborted"; readonly call: number }
  | {
      readonly op: "failed";
      readonly call: number;
      readonly code: ProbsErrorCode | null;
      readonly message: string;
    };
