import {
  ContextLengthError,
  DegenerateDistributionError,
  type Distribution,
  InvalidArgumentError,
  type LanguageModel,
  logProbabilityOf,
  logSumExp,
  processLogits,
  resolveSampling,
  type RngKey,
  type Sampling,
  topK,
} from "@veridraft/core-probs";
import type { Drafter } from "./drafter.ts";
import type { ScheduleOptions } from "./create-schedule.ts";
import type { Coupling, Verifier } from "./verifier.ts";
import { resolveVerifier, type VerifierName } from "./verifiers.ts";

/**
 * Changes logits in place before penalties, temperature and truncation; -Infinity forbids a token. It must depend on its arguments alone: it is
 * asked for the nodes of a drafted tree that verification visits, in any number and only once a node.
 *
 * @param ids Prompt, text and the drafted path: what the next token would follow.
 */
export type LogitsProcessor = (logits: Float32Array, ids: readonly number[]) => void;

/** Options of `generate`. */
export interface GenerateOptions extends ScheduleOptions {
  /** The streams of the generation: `createRng(seed)`. */
  readonly key: RngKey;
  /** Most tokens of text, at least 1; the context ends it earlier. Default 256. */
  readonly maxTokens?: number;
  /** Text ends before the first of these ids. Default none. */
  readonly stopIds?: readonly number[];
  /** Fields that differ from greedy decoding. */
  readonly sampling?: Partial<Sampling>;
  /** Grammar masks and biases: see {@link LogitsProcessor}. The text then has the law of the processed model. Default none. */
  readonly logitsProcessor?: LogitsProcessor;
  /** Of this generation only, disposed at its end; null drafts nothing. Default null. */
  readonly drafter?: Drafter | null;
  /** Default "seeded". */
  readonly coupling?: Coupling;
  /**
   * A name, or one with its own settings. Default: by coupling and tree, always lossless. All but "match" need the coupling "optimal"; a lossy one
   * changes the law of the text, as `statistics.lossless` says.
   */
  readonly verifier?: VerifierName | Verifier;
  /**
   * False verifies only the most confident chain of a drafted tree: for a target whose logits are bitwise the same however a chain is cut into
   * forwards, but not in a branching tree. Default true.
   */
  readonly branching?: boolean;
  /** Reports log-probs with this many of the likeliest alternatives, at least 0. Absent: none. */
  readonly logProbs?: number;
  /** Ends the generation: the call for the next step rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The options that the loop itself reads, complete and checked. */
export interface Settings {
  readonly limit: number;
  readonly stopIds: ReadonlySet<number>;
  readonly sampling: Sampling;
  readonly logitsProcessor: LogitsProcessor | null;
  readonly coupling: Coupling;
  /** Null: chosen for each tree. */
  readonly verifier: Verifier | null;
  readonly logProbs: number | null;
}

/** Fills in defaults. @throws InvalidArgumentError for options out of range; ContextLengthError where the prompt leaves no room. */
export function settle(
  model: LanguageModel,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): Settings {
  const { maxTokens = 256, stopIds = [], coupling = "seeded", logProbs = null } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw invalid("maxTokens must be an integer of at least 1", maxTokens);
  }
  if (logProbs !== null && (!Number.isInteger(logProbs) || logProbs < 0)) {
    throw invalid("logProbs must be an integer of at least 0", logProbs);
  }
  if (coupling !== "seeded" && coupling !== "optimal") {
    throw invalid('coupling must be "seeded" or "optimal"', coupling);
  }
  if (prompt.length === 0) throw new InvalidArgumentError("generate: the prompt has no ids");
  const room = model.contextLength - prompt.length;
  if (room < 1) {
    throw new ContextLengthError(
      `generate: a prompt of ${prompt.length} ids leaves no room in a context of ${model.contextLength}`,
    );
  }
  return {
    limit: Math.min(maxTokens, room),
    stopIds: new Set(stopIds),
    sampling: resolveSampling(options.sampling),
    logitsProcessor: options.logitsProcessor ?? null,
    coupling,
    verifier: resolveVerifier(options.verifier, coupling),
    logProbs,
  };
}

function invalid(rule: string, value: unknown): InvalidArgumentError {
  return new InvalidArgumentError(`generate: ${rule}, got ${String(value)}`);
}

/**
 * The law of the token after `ids`.
 *
 * @throws DegenerateDistributionError where the processor leaves no token.
 */
export function processedLaw(
  logits: Float32Array,
  { sampling, logitsProcessor }: Settings,
  ids: readonly number[],
): Distribution {
  if (logitsProcessor === null) return processLogits(logits, sampling, ids);
  const scores = logits.slice();
  logitsProcessor(scores, ids);
  if (!scores.some((score) => score > -Infinity)) {
    throw new DegenerateDistributionError(
      `generate: the logitsProcessor leaves none of ${scores.length} tokens after ${ids.length} ids; allow at least one, such as a stop id`,
    );
  }
  return processLogits(scores, sampling, ids);
}

/** Natural logs of a token's probability. */
export interface TokenLogProb {
  /** Under the model's own law: no penalties, temperature 1, no truncation. */
  readonly raw: number;
  /** Under the law it was drawn from, the logits processor included; 0 in greedy decoding. */
  readonly processed: number;
  /** The likeliest tokens of the raw law, best first, with their raw log-probs. */
  readonly top: readonly { readonly id: number; readonly logProb: number }[];
}

/** Log-probs of a token from the target's logits and processed law before it. */
export function tokenLogProb(
  logits: Float32Array,
  law: Distribution,
  token: number,
  top: number,
): TokenLogProb {
  const total = logSumExp(logits);
  return {
    raw: logits[token] - total,
    processed: logProbabilityOf(law, token),
    top: Array.from(topK(logits, top), (id) => ({ id, logProb: logits[id] - total })),
  };
}
