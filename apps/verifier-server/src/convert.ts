/** The one place where messages of the verifier service meet domain types. Everything that comes from the wire is checked here. */
import { randomBytes } from "node:crypto";
import type { Sampling } from "@veridraft/core-probs";
import { checkTokenizer, readIds, readSampling } from "@veridraft/draft-server";
import { encodeFloat32, encodeUint32, invalidField } from "@veridraft/rpc";
import {
  type Finished,
  FinishReason,
  type GenerateRequest,
  type LawHead as WireLawHead,
  type LogProb,
  type ModelInfo,
  type PredictRequest,
  type PredictResponse,
  type Speculation,
} from "@veridraft/rpc/verifier";
import {
  type Coupling,
  createVerifier,
  type LawHead,
  type LawOptions,
  maxSpeculativeTokens,
  type NextLaws,
  type SpeculationConfig,
  speculationConfig,
  type TextSummary,
  type TokenLogProb,
  type Verifier,
} from "@veridraft/spec-decoding";
import { type ChatMessage, roles } from "@veridraft/tokenization";

const maxStops = 16;
const maxStopLength = 1024;
const maxTop = 64;

/** A generation as asked for. */
export interface Generation {
  readonly prompt: string | readonly ChatMessage[];
  readonly sampling: Sampling;
  readonly coupling: Coupling;
  readonly seed: bigint;
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
  /** "none" drafts nothing, "" leaves the choice to the draft server. */
  readonly drafter: string;
  readonly numSpeculativeTokens: number | undefined;
  readonly schedule: SpeculationConfig["schedule"];
  readonly maxTreeNodes: number;
  readonly confidenceThreshold: number;
  /** Undefined: the lossless one that keeps most. */
  readonly verifier: Verifier | undefined;
  readonly logProbs: number | undefined;
}

/**
 * Reads a request; a seed is drawn where it has none.
 *
 * @throws RpcError or InvalidArgumentError that names the field, its bound and its value.
 */
export function readGenerate(request: GenerateRequest): Generation {
  const { sampling: wire, stop, speculation, logProbs } = request;
  if (request.maxTokens === 0) throw invalidField("max_tokens", "must be at least 1, got 0");
  if (stop.length > maxStops) {
    throw invalidField("stop", `must hold at most ${maxStops} strings, got ${stop.length}`);
  }
  for (const text of stop) {
    if (text.length === 0 || text.length > maxStopLength) {
      const bound = `must have 1 to ${maxStopLength} characters`;
      throw invalidField("stop", `${bound}, got ${text.length}`);
    }
  }
  if (logProbs && logProbs.top > maxTop) {
    throw invalidField("log_probs.top", `must be in [0, ${maxTop}], got ${logProbs.top}`);
  }
  return {
    prompt: readPrompt(request),
    ...readSampling(wire),
    seed: wire?.seed ?? BigInt(randomBytes(4).readUInt32LE()),
    maxTokens: request.maxTokens,
    stop,
    ...readSpeculation(speculation),
    logProbs: logProbs?.top,
  };
}

/** Reads how to draft and verify; what is absent has the default of `speculationConfig`. */
function readSpeculation(message: Speculation | undefined) {
  const spoken: Partial<Speculation> = message ?? {};
  const { drafter = "", numSpeculativeTokens: drafted = 0, ...given } = spoken;
  if (drafted > maxSpeculativeTokens) {
    const bound = `must be in [0, ${maxSpeculativeTokens}]`;
    throw invalidField("speculation.num_speculative_tokens", `${bound}, got ${drafted}`);
  }
  const read = speculationConfig.safeParse(given);
  if (!read.success) {
    const [{ path, message: what, code }] = read.error.issues;
    const name = String(path[0]) as keyof typeof given;
    const field = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const got = code === "custom" ? "" : `, got ${JSON.stringify(given[name])}`;
    throw invalidField(`speculation.${field}`, `${what}${got}`);
  }
  const { schedule, maxTreeNodes, confidenceThreshold, verification } = read.data;
  return {
    drafter,
    numSpeculativeTokens: drafted === 0 ? undefined : drafted,
    schedule,
    maxTreeNodes,
    confidenceThreshold,
    verifier: createVerifier(verification),
  };
}

function readPrompt({ prompt }: GenerateRequest): string | ChatMessage[] {
  if (prompt?.$case === "text") {
    if (prompt.value === "") throw invalidField("text", "must not be empty");
    return prompt.value;
  }
  if (prompt?.$case !== "conversation") {
    throw invalidField("prompt", "must be text or conversation, got neither");
  }
  const { messages } = prompt.value;
  if (messages.length === 0) throw invalidField("conversation.messages", "must not be empty");
  return messages.map(({ role, content }) => {
    if (!(roles as readonly string[]).includes(role)) {
      const wish = role.slice(0, 64);
      throw invalidField("role", `must be one of ${roles.join(", ")}, got "${wish}"`);
    }
    return { role: role as ChatMessage["role"], content };
  });
}

/** Writes the log-probabilities of a token. */
export function writeLogProb({ raw, processed, top }: TokenLogProb): LogProb {
  return { raw, processed, top: top.map(({ id, logProb }) => ({ id, logProb })) };
}

/** Writes how a generation ended. @param missedRounds Rounds that the draft server left without an answer. */
export function writeFinished(
  summary: TextSummary,
  seed: bigint,
  fingerprint: string,
  missedRounds: number,
): Finished {
  const { statistics } = summary;
  return {
    reason:
      summary.finishReason === "stop"
        ? FinishReason.FINISH_REASON_STOP
        : FinishReason.FINISH_REASON_LENGTH,
    usage: { promptTokens: summary.promptTokens, completionTokens: summary.ids.length },
    stats: {
      rounds: statistics.rounds,
      proposed: statistics.proposed,
      accepted: statistics.accepted,
      meanAcceptanceLength: statistics.meanAcceptanceLength,
      drafter: statistics.drafter,
      draftMs: statistics.draftMs,
      verifyMs: statistics.verifyMs,
      undraftedRounds: statistics.undraftedRounds + missedRounds,
      lossless: statistics.lossless,
    },
    seed,
    tokensPerSecond: summary.tokensPerSecond,
    fingerprint,
  };
}

/** A text whose laws are asked for. */
export interface Prediction extends LawOptions {
  readonly ids: Int32Array;
}

/**
 * Reads the first request of a `predict` stream.
 *
 * @throws RpcError FAILED_PRECONDITION for another tokenizer, with both digests; RpcError or InvalidArgumentError for anything out of range.
 */
export function readPredictOpen({ request }: PredictRequest, info: ModelInfo): Prediction {
  if (request?.$case !== "open") throw invalidField("request", "open must be first");
  const { tokenizerSha256, ids, sampling, top } = request.value;
  checkTokenizer(tokenizerSha256, info.tokenizerSha256, "verifier");
  if (top < 1 || top > maxTop)
    throw invalidField("open.top", `must be in [1, ${maxTop}], got ${top}`);
  const read = readIds(ids, "open.ids", info.vocabSize, info.contextLength);
  if (read.length === 0) throw invalidField("open.ids", "must hold at least one id");
  return { ids: read, sampling: readSampling(sampling).sampling, top };
}

/** Reads a later one. @param length Ids so far. @throws RpcError INVALID_ARGUMENT for anything out of range. */
export function readPredictCommit(
  { request }: PredictRequest,
  info: ModelInfo,
  length: number,
): Int32Array {
  if (request?.$case !== "commit") throw invalidField("request", "commit must follow");
  const room = info.contextLength - length;
  const ids = readIds(request.value.ids, "commit.ids", info.vocabSize, room);
  if (ids.length === 0) throw invalidField("commit.ids", "must hold at least one id");
  return ids;
}

/** Writes the laws of a position. */
export function writePrediction({ processed, raw }: NextLaws): PredictResponse {
  return { processed: writeHead(processed), raw: writeHead(raw) };
}

function writeHead({ ids, probs }: LawHead): WireLawHead {
  return { ids: encodeUint32(ids), probs: encodeFloat32(probs) };
}
