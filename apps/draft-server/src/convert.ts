/** The one place where messages of the draft service meet domain types. Everything that comes from the wire is checked here. */
import { createRng, resolveSampling, type RngKey, type Sampling } from "@veridraft/core-probs";
import {
  decodeFloat32,
  decodeInt32,
  decodeUint32,
  encodeFloat32,
  encodeInt32,
  encodeUint32,
  invalidField,
  RpcError,
} from "@veridraft/rpc";
import {
  Coupling as WireCoupling,
  type Feedback,
  type Open,
  type Proposal,
  type Propose,
  type Sampling as WireSampling,
} from "@veridraft/rpc/draft";
import type { Coupling, DraftResult, DraftTree } from "@veridraft/spec-decoding";

/** Most nodes of a proposal. */
export const maxBudget = 64;

/** What the ids of a server may be. */
export interface Vocabulary {
  readonly tokenizerSha256: string;
  readonly vocabSize: number;
  readonly contextLength: number;
}

/** A generation to draft for. */
export interface Opening {
  readonly ids: Int32Array;
  /** "" for the server's own choice. */
  readonly drafter: string;
  readonly sampling: Sampling;
  readonly coupling: Coupling;
  readonly key: RngKey;
  /** Null for a target that gives no hidden states. */
  readonly targetSha256: string | null;
}

/** A round to draft. */
export interface Round {
  readonly commit: Int32Array;
  /** Null in the first round. */
  readonly feedback: DraftResult | null;
  readonly budget: number;
  readonly confidenceThreshold: number;
  /** Absent where none came. */
  readonly taps?: Float32Array;
}

/** What a drafter wants in a request. */
export interface Wishes {
  readonly successors: number;
  readonly tapWidth: number;
}

/**
 * Reads an open message.
 *
 * @throws RpcError FAILED_PRECONDITION for another tokenizer, with both digests; INVALID_ARGUMENT for anything out of range.
 */
export function readOpen(message: Open, vocabulary: Vocabulary): Opening {
  const { tokenizerSha256, vocabSize, contextLength } = vocabulary;
  checkTokenizer(message.tokenizerSha256, tokenizerSha256, "draft server");
  const ids = readIds(message.ids, "open.ids", vocabSize, contextLength);
  if (ids.length === 0) throw invalidField("open.ids", "must hold at least one id");
  return {
    ids,
    drafter: message.drafter,
    ...readSampling(message.sampling),
    key: createRng(message.sampling?.seed ?? 0n),
    targetSha256: message.targetSha256 ?? null,
  };
}

/** @param server What it is. @throws RpcError FAILED_PRECONDITION for another tokenizer than its own, with both digests. */
export function checkTokenizer(caller: string, own: string, server: string): void {
  if (caller === own) return;
  const given = caller.slice(0, 64);
  throw mismatch(
    "TOKENIZER_MISMATCH",
    `the tokenizers differ: the caller's is ${given}, the ${server}'s is ${own}`,
    { caller: given, server: own },
  );
}

/** @param head The target that a draft head was trained for. @throws RpcError FAILED_PRECONDITION for another target, with both digests. */
export function checkTarget(caller: string | null, head: string): void {
  if (caller === head) return;
  const given = caller?.slice(0, 64) ?? "none";
  throw mismatch(
    "TARGET_MISMATCH",
    `the draft head was trained for the model ${head}, the caller's is ${given}; choose another drafter, or start the draft server with the head of that model`,
    { caller: given, head },
  );
}

function mismatch(reason: string, message: string, metadata: Record<string, string>): RpcError {
  return new RpcError("FAILED_PRECONDITION", message, {
    details: [{ type: "ErrorInfo", reason, domain: "veridraft", metadata }],
  });
}

const couplings = new Map<WireCoupling, Coupling>([
  [WireCoupling.COUPLING_UNSPECIFIED, "seeded"],
  [WireCoupling.COUPLING_SEEDED, "seeded"],
  [WireCoupling.COUPLING_OPTIMAL, "optimal"],
]);

/**
 * Reads a sampling message; fields that are absent have the defaults of `resolveSampling`.
 *
 * @throws InvalidArgumentError or RpcError INVALID_ARGUMENT for anything out of range.
 */
export function readSampling(message: WireSampling | undefined): {
  readonly sampling: Sampling;
  readonly coupling: Coupling;
} {
  const { seed: _seed, coupling: wire, ...given } = message ?? { coupling: 0 };
  const coupling = couplings.get(wire);
  if (!coupling) throw invalidField("sampling.coupling", `must be in [0, 2], got ${wire}`);
  return { sampling: resolveSampling(given), coupling };
}

/**
 * Reads a propose message.
 *
 * @param length Ids committed so far.
 * @throws RpcError INVALID_ARGUMENT for anything out of range.
 */
export function readPropose(
  message: Propose,
  vocabulary: Vocabulary,
  length: number,
  { successors, tapWidth }: Wishes,
): Round {
  const { vocabSize, contextLength } = vocabulary;
  if (message.budget < 1 || message.budget > maxBudget) {
    throw invalidField("propose.budget", `must be in [1, ${maxBudget}], got ${message.budget}`);
  }
  const { feedback, confidenceThreshold = 0 } = message;
  if (!(confidenceThreshold >= 0 && confidenceThreshold < 1)) {
    throw invalidField(
      "propose.confidence_threshold",
      `must be in [0, 1), got ${confidenceThreshold}`,
    );
  }
  return {
    commit: readIds(message.commit, "propose.commit", vocabSize, contextLength - length),
    feedback: feedback ? readFeedback(feedback, vocabSize, successors) : null,
    budget: message.budget,
    confidenceThreshold,
    ...(message.taps && { taps: readTaps(message.taps, tapWidth) }),
  };
}

function readTaps(bytes: Uint8Array, width: number): Float32Array {
  const taps = decodeFloat32(bytes, "propose.taps", width);
  checkCount("propose.taps", taps.length, width);
  const wrong = taps.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw invalidField("propose.taps", `[${wrong}] must be finite, got ${taps[wrong]}`);
  return taps;
}

function readFeedback(message: Feedback, vocabSize: number, k: number): DraftResult {
  const tokens = readIds(message.tokens, "feedback.tokens", vocabSize, maxBudget);
  const nodes = tokens.length;
  const parents = decodeInt32(message.parents, "feedback.parents", nodes);
  checkCount("feedback.parents", parents.length, nodes);
  for (let i = 0; i < nodes; i++) checkRange("feedback.parents", i, parents[i], -1, i);
  const path = decodeUint32(message.path, "feedback.path", nodes);
  for (let i = 0; i < path.length; i++) {
    checkRange("feedback.path", i, path[i], 0, nodes);
    const parent = i === 0 ? -1 : path[i - 1];
    if (parents[path[i]] !== parent) {
      throw invalidField("feedback.path", `[${i}] is ${path[i]}, no child of ${parent}`);
    }
  }
  const successors = decodeInt32(message.successors, "feedback.successors", (1 + nodes) * k);
  checkCount("feedback.successors", successors.length, (1 + nodes) * k);
  for (let i = 0; i < successors.length; i++) {
    checkRange("feedback.successors", i, successors[i], -1, vocabSize);
  }
  const tree: DraftTree = {
    tokens,
    parents,
    laws: Array.from(tokens, () => null),
    confidences: new Float32Array(nodes),
  };
  return { tree, path, successors };
}

/** Ids of a message, at most `most`. @throws RpcError INVALID_ARGUMENT for more, and for one outside the vocabulary. */
export function readIds(
  bytes: Uint8Array,
  field: string,
  vocabSize: number,
  most: number,
): Int32Array {
  const ids = decodeInt32(bytes, field, most);
  for (let i = 0; i < ids.length; i++) checkRange(field, i, ids[i], 0, vocabSize);
  return ids;
}

function checkRange(field: string, i: number, value: number, low: number, end: number): void {
  if (value < low || value >= end) {
    throw invalidField(field, `[${i}] must be in [${low}, ${end}), got ${value}`);
  }
}

function checkCount(field: string, count: number, wanted: number): void {
  if (count !== wanted) throw invalidField(field, `must hold ${wanted} numbers, got ${count}`);
}

/** Writes a proposal. Laws must be sparse. */
export function writeProposal(tree: DraftTree, round: number): Proposal {
  const drawn = tree.laws.some((law) => law !== null);
  return {
    round,
    tokens: encodeUint32(tree.tokens),
    parents: encodeInt32(tree.parents),
    confidences: encodeFloat32(tree.confidences),
    laws: drawn
      ? tree.laws.map((law) => {
          if (law && !law.ids) throw new Error("writeProposal: a law over the whole vocabulary");
          return {
            ids: encodeUint32(law?.ids ?? []),
            probs: encodeFloat32(law?.probs ?? []),
          };
        })
      : [],
  };
}
