/**
 * The generate loop: a drafter proposes, one forward of the target scores the proposal, a verifier keeps what the target would have said.
 *
 * The cache holds all tokens but the last one, the root. A round runs [root, ...nodes] in one forward, emits the accepted path and one token more,
 * and commits the root and the path; the token after the path is the next root. The first token comes from the forward of the prompt alone.
 * Without a drafter the same loop runs with empty trees.
 *
 * The token at absolute position t (0 is the first of the prompt) is decided by the streams `key.at(t, …)`. With the seeded coupling they alone
 * decide it, so that the text of a seed is the same for every drafter, every schedule and none, given logits that do not depend on how tokens are
 * cut into forwards.
 */
import {
  type Distribution,
  hasPenalties,
  type LanguageModel,
  type Matrix,
  row,
  type RngKey,
  type TreeSequence,
} from "@veridraft/core-probs";
import {
  type GenerateOptions,
  processedLaw,
  type Settings,
  settle,
  tokenLogProb,
  type TokenLogProb,
} from "./generate-options.ts";
import { Proposals } from "./proposals.ts";
import { createSchedule } from "./create-schedule.ts";
import { type Statistics, StatisticsCounter } from "./statistics.ts";
import { openTarget } from "./taps.ts";
import { type DraftTree, emptyTree, isChain, pathTo } from "./tree.ts";
import { verifierFor } from "./verifiers.ts";

/** What one forward of the target added to the text. */
export interface Step {
  /** At least one id; never a stop id. */
  readonly ids: readonly number[];
  /** One for each id, where asked. */
  readonly logProbs?: readonly TokenLogProb[];
  /** Draft tokens that were verified; 0 for the first step, which comes from the prompt. */
  readonly proposed: number;
  /** How many of them are in `ids`. */
  readonly accepted: number;
  /** Time spent waiting for the draft. */
  readonly draftMs: number;
  /** Time of the target's forward. */
  readonly verifyMs: number;
  /** Of the generation so far. */
  readonly statistics: Statistics;
}

/** How a generation ended. */
export interface Summary {
  /** "stop" for a stop id, "length" for `maxTokens` or the end of the context. */
  readonly finishReason: "stop" | "length";
  /** The stop id that ended the text; it is not part of `ids`. Null otherwise. */
  readonly stopId: number | null;
  /** The whole text. */
  readonly ids: readonly number[];
  readonly statistics: Statistics;
}

/**
 * Generates text, step by step as it is known; returns the summary. The law of the text is exactly that of the target under `sampling`, unless a
 * lossy verifier is asked for.
 *
 * A drafter that fails does not end a generation: the round runs without it and is counted in `undraftedRounds`.
 *
 * @param prompt At least one id.
 * @throws InvalidArgumentError for options out of range; ContextLengthError where the prompt leaves no room; the signal's reason where it aborts.
 * @example
 * for await (const step of generate(model, prompt, { key: createRng(1), drafter: createPromptLookup() })) print(step.ids);
 */
export async function* generate(
  model: LanguageModel<TreeSequence>,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): AsyncGenerator<Step, Summary, void> {
  const drafter = options.drafter ?? null;
  let sequence: TreeSequence | null = null;
  try {
    const settings = settle(model, prompt, options);
    const { signal, costs, calibration, numSpeculativeTokens, maxTreeNodes } = options;
    const schedule = createSchedule({
      schedule: options.schedule,
      costs,
      calibration,
      numSpeculativeTokens,
      maxTreeNodes,
      confidenceThreshold: options.confidenceThreshold,
    });
    const proposals =
      drafter && new Proposals(drafter, schedule, model.vocabSize, options.branching ?? true);
    const text = new Text(prompt, settings, options.key);
    const counter = new StatisticsCounter(settings.verifier?.lossless ?? true);
    signal?.throwIfAborted();
    const target = await openTarget(model, drafter);
    ({ sequence } = target);

    let started = performance.now();
    const first = await sequence.forward(prompt, { rows: "last", signal });
    counter.prefillMs = performance.now() - started;
    sequence.commit(prompt.length);
    let taps = target.tapsOf(0);
    const opening = text.extend(emptyTree, first);
    yield* steps(opening, 0, 0, counter.prefillMs, counter.get(drafter?.name ?? "none"));

    while (text.finishReason === null) {
      signal?.throwIfAborted();
      started = performance.now();
      const tree = proposals
        ? await proposals.next(text.ids, text.remaining - 1, options.key, taps, signal)
        : emptyTree;
      const draftMs = performance.now() - started;
      if (proposals) counter.failures = proposals.failures;

      started = performance.now();
      const logits = await forward(sequence, text.root, tree, signal);
      const verifyMs = performance.now() - started;
      const round = text.extend(tree, logits);
      taps = target.tapsOf(1 + (round.path.at(-1) ?? -1));
      commit(sequence, tree, round.path);
      counter.add(tree, round.path, round.accepted, draftMs, verifyMs);
      yield* steps(
        round,
        tree.tokens.length,
        draftMs,
        verifyMs,
        counter.get(drafter?.name ?? "none"),
      );
      proposals?.observe(tree, round.path, logits, draftMs);
    }
    return {
      finishReason: text.finishReason,
      stopId: text.stopId,
      ids: text.ids.slice(prompt.length),
      statistics: counter.get(drafter?.name ?? "none"),
    };
  } finally {
    sequence?.dispose();
    drafter?.dispose();
  }
}

function* steps(
  { ids, logProbs, accepted }: Extension,
  proposed: number,
  draftMs: number,
  verifyMs: number,
  statistics: Statistics,
): Generator<Step> {
  if (ids.length === 0) return;
  const kept = Math.min(accepted, ids.length);
  const counted = { ids, proposed, accepted: kept, draftMs, verifyMs, statistics };
  yield logProbs === null ? counted : { ...counted, logProbs };
}

/** Logits after the root and after every node: row 0, row i + 1. */
function forward(
  sequence: TreeSequence,
  root: number,
  tree: DraftTree,
  signal?: AbortSignal,
): Promise<Matrix> {
  const tokens = [root, ...tree.tokens];
  if (isChain(tree)) return sequence.forward(tokens, { signal });
  const parents = [-1, ...tree.parents.map((parent) => parent + 1)];
  return sequence.forwardTree(tokens, parents, { signal });
}

function commit(sequence: TreeSequence, tree: DraftTree, path: readonly number[]): void {
  if (isChain(tree)) sequence.commit(1 + path.length);
  else sequence.commitPath([0, ...path.map((node) => node + 1)]);
}

/** What a forward added to the text. */
interface Extension {
  readonly path: readonly number[];
  /** Path tokens that count as accepted: not those after a stop id. */
  readonly accepted: number;
  readonly ids: readonly number[];
  readonly logProbs: readonly TokenLogProb[] | null;
}

/** Prompt and text so far, and why they end. */
class Text {
  readonly ids: number[];
  readonly #end: number;
  readonly #settings: Settings;
  readonly #key: RngKey;
  finishReason: Summary["finishReason"] | null = null;
  stopId: number | null = null;

  constructor(prompt: ArrayLike<number>, settings: Settings, key: RngKey) {
    this.ids = Array.from(prompt);
    this.#end = prompt.length + settings.limit;
    this.#settings = settings;
    this.#key = key;
  }

  get root(): number {
    return this.ids[this.ids.length - 1];
  }

  /** Tokens that may still be emitted. */
  get remaining(): number {
    return this.#end - this.ids.length;
  }

  /** Verifies a tree and appends what comes of it. @param logits Row 0 after the root, row i + 1 after node i. */
  extend(tree: DraftTree, logits: Matrix): Extension {
    const { stopIds, coupling, verifier, logProbs: top } = this.#settings;
    const laws = new Map<number, Distribution>();
    const target = (node: number): Distribution => {
      let law = laws.get(node);
      if (!law) laws.set(node, (law = this.#law(tree, node, row(logits, node + 1))));
      return law;
    };
    const { path, next } = (verifier ?? verifierFor(tree, coupling)).verify(
      tree,
      target,
      this.ids.length,
      this.#key,
    );

    const emitted = [...path.map((node) => tree.tokens[node]), next];
    const stop = emitted.findIndex((id) => stopIds.has(id));
    const ids = stop < 0 ? emitted : emitted.slice(0, stop);
    const parentOf = (i: number): number => (i === 0 ? -1 : path[i - 1]);
    const logProbs =
      top === null
        ? null
        : ids.map((id, i) =>
            tokenLogProb(row(logits, parentOf(i) + 1), target(parentOf(i)), id, top),
          );
    this.ids.push(...ids);
    if (stop >= 0) {
      this.finishReason = "stop";
      this.stopId = emitted[stop];
    } else if (this.remaining === 0) {
      this.finishReason = "length";
    }
    const accepted = stop < 0 ? path.length : Math.min(path.length, stop + 1);
    return { path, accepted, ids, logProbs };
  }

  /** The processed law after a node; penalties and the logits processor see the tokens of its path, too. */
  #law(tree: DraftTree, node: number, logits: Float32Array): Distribution {
    const { sampling, logitsProcessor } = this.#settings;
    if (logitsProcessor === null && !hasPenalties(sampling)) {
      return processedLaw(logits, this.#settings, []);
    }
    const path = pathTo(tree, node).map((i) => tree.tokens[i]);
    return processedLaw(logits, this.#settings, [...this.ids, ...path]);
  }
}
