/**
 * Drafting while verifying: draft and target work at the same time, on the guess that what was drafted stands.
 *
 * Liu et al., "PEARL: Parallel Speculative Decoding with Adaptive Draft Length", 2024, arXiv:2408.11850; Timor et al., "Distributed Speculative
 * Inference: Speculation Parallelism for Provably Faster Lossless Language Model Inference", 2024, arXiv:2405.14105.
 *
 * PEARL, pre-verify: draft x_1 .. x_g while the target's law after the text is computed; test x_1. Accepted: post-verify, that is test what is
 * pending while g more are drafted after it, until one is rejected. A round takes max(target, g draft); no bonus token where all is accepted.
 * DSI: the draft never waits; every k tokens go to one of S targets. A rejection aborts all later work. It hides the target's time where
 * S >= target / (k draft), and takes k draft a chunk and one target at the rejection.
 * Answers to what was drafted after a rejected token belong to an older epoch: their signal is aborted and nobody waits for them.
 *
 * Departures: after a rejection a draft under way is aborted, not awaited; decisions are made here from the laws, where PEARL's processes repeat
 * each other's draws; DSI decodes no text without drafts beside, but tests the first token of an epoch as soon as its law is there.
 */
import {
  ContextLengthError,
  type Distribution,
  InvalidArgumentError,
  type RngKey,
} from "@veridraft/core-probs";
import { z } from "zod";
import { parseConfig } from "./config.ts";
import type { DraftEnd, TargetEnd } from "./pipeline-ends.ts";
import { sampleAndMatch } from "./sample-and-match.ts";
import { speculativeSampling } from "./speculative-sampling.ts";
import { type DraftTree, emptyTree, isSampled } from "./tree.ts";
import { untilAborted } from "./until-aborted.ts";
import type { Coupling, Verdict } from "./verifier.ts";

/** What a pipeline reads of its options with defaults. */
export const pipelineConfig = z.strictObject({
  draftTokens: z
    .int()
    .min(1)
    .default(4)
    .describe("Tokens drafted at a time; best near target ms / draft ms of a token."),
  maxTokens: z.int().min(1).default(256).describe("Most tokens of text."),
});

export interface PipelineOptions extends z.input<typeof pipelineConfig> {
  readonly key: RngKey;
  /** Prompt and text hold at most so many tokens. */
  readonly contextLength: number;
  /** Default "seeded"; the draft end must have the same. */
  readonly coupling?: Coupling;
  /** Text ends before the first of these ids. */
  readonly stopIds?: readonly number[];
  readonly signal?: AbortSignal;
}

/** What one answer of the target added to the text. */
export interface PipelineRound {
  readonly ids: readonly number[];
  /** Draft tokens that were tested, up to the first rejection and it; and how many were accepted. */
  readonly tested: number;
  readonly accepted: number;
  /** The stop id that ended the text here; null where it goes on, or ends otherwise. */
  readonly stopId: number | null;
  /** Since the round before. */
  readonly ms: number;
}

/** The text and its bounds. */
class PipelineText {
  readonly ids: number[];
  readonly #end: number;
  readonly #options: PipelineOptions;
  readonly draftTokens: number;
  finished = false;
  #since = performance.now();

  constructor(prompt: ArrayLike<number>, options: PipelineOptions) {
    const { draftTokens, maxTokens, contextLength } = options;
    const config = parseConfig("pipelined", pipelineConfig, { draftTokens, maxTokens });
    const room = contextLength - prompt.length;
    if (prompt.length === 0) throw new InvalidArgumentError("pipelined: the prompt has no ids");
    if (room < 1) {
      throw new ContextLengthError(
        `pipelined: a prompt of ${prompt.length} ids leaves no room in a context of ${contextLength}`,
      );
    }
    this.ids = Array.from(prompt);
    this.#end = prompt.length + Math.min(config.maxTokens, room);
    this.#options = options;
    this.draftTokens = config.draftTokens;
  }

  /** Tokens to draft after a text of so many. */
  count(length: number): number {
    return Math.min(this.draftTokens, this.#end - length);
  }

  /**
   * Tests token by token, so that a token is kept or not whatever is drafted after it. The token after a chain that is accepted whole is drawn, too;
   * without its law in `laws` it means nothing.
   */
  test(tree: DraftTree, laws: readonly Distribution[]): Verdict {
    const { coupling = "seeded", key } = this.#options;
    const verifier =
      coupling === "optimal" && isSampled(tree) ? speculativeSampling : sampleAndMatch;
    const target = (node: number): Distribution => laws[Math.min(node + 1, laws.length - 1)];
    return verifier.verify(tree, target, this.ids.length, key);
  }

  add(tokens: readonly number[], tested: number, accepted: number): PipelineRound {
    const stop = tokens.findIndex((id) => this.#options.stopIds?.includes(id));
    const ids = stop < 0 ? tokens : tokens.slice(0, stop);
    this.ids.push(...ids);
    this.finished = stop >= 0 || this.ids.length >= this.#end;
    const now = performance.now();
    const ms = now - this.#since;
    this.#since = now;
    return { ids, tested, accepted, stopId: stop < 0 ? null : tokens[stop], ms };
  }
}

/** The nodes of a chain from `start` up to `end`, as a chain. */
function part({ tokens, laws, confidences }: DraftTree, start: number, end?: number): DraftTree {
  const kept = tokens.slice(start, end);
  return {
    tokens: kept,
    parents: kept.map((_, i) => i - 1),
    laws: laws.slice(start, end),
    confidences: confidences.slice(start, end),
  };
}

/** Signals of one epoch: those of work on a guess that still stands. */
class Epoch {
  readonly #controller = new AbortController();
  readonly signal: AbortSignal;

  constructor(outer: AbortSignal | undefined) {
    const own = this.#controller.signal;
    this.signal = outer ? AbortSignal.any([outer, own]) : own;
  }

  /** Starts work whose answer may never be read. */
  start<T>(work: Promise<T>): Promise<T> {
    const answer = untilAborted(work, this.signal);
    answer.catch(() => {});
    return answer;
  }

  end(): void {
    this.#controller.abort(new Error("pipelined: a rejection made this work stale"));
  }
}

/**
 * PEARL: generates text, round by round; the ends are disposed with it.
 *
 * @throws InvalidArgumentError for options out of range; ContextLengthError where the prompt leaves no room; the signal's reason where it aborts;
 * whatever an end fails with.
 */
export async function* pearl(
  draft: DraftEnd,
  target: TargetEnd,
  prompt: ArrayLike<number>,
  options: PipelineOptions,
): AsyncGenerator<PipelineRound, readonly number[], void> {
  let epoch = new Epoch(options.signal);
  try {
    const text = new PipelineText(prompt, options);
    let pending = emptyTree;
    while (!text.finished) {
      options.signal?.throwIfAborted();
      const whole = [...text.ids, ...pending.tokens];
      const count = text.count(whole.length);
      const drafting =
        count > 0
          ? epoch.start(draft.draft(whole, count, epoch.signal))
          : Promise.resolve(emptyTree);
      const laws = await epoch.start(target.laws(whole, text.ids.length, epoch.signal));
      const pre = pending.tokens.length === 0;
      const drafted = pre ? await drafting : null;
      const tested = drafted ? part(drafted, 0, 1) : pending;
      const { path, next } = text.test(tested, laws);
      const accepted = Array.from(tested.tokens.subarray(0, path.length));
      if (accepted.length === tested.tokens.length && accepted.length > 0) {
        pending = drafted ? part(drafted, 1) : await drafting;
        yield text.add(accepted, accepted.length, accepted.length);
      } else {
        epoch.end();
        epoch = new Epoch(options.signal);
        pending = emptyTree;
        const failed = Math.min(1, tested.tokens.length);
        yield text.add([...accepted, next], accepted.length + failed, accepted.length);
      }
    }
    return text.ids.slice(prompt.length);
  } finally {
    epoch.end();
    await Promise.all([draft.dispose(), target.dispose()]);
  }
}

/** A chunk at one of the targets. */
interface Task {
  readonly chunk: DraftTree;
  readonly laws: Promise<readonly Distribution[]>;
}

/**
 * DSI: as {@link pearl}, over several targets, each of which computes laws on its own.
 *
 * @param targets At least one; two or more let the first token of an epoch be tested early.
 */
export async function* dsi(
  draft: DraftEnd,
  targets: readonly TargetEnd[],
  prompt: ArrayLike<number>,
  options: PipelineOptions,
): AsyncGenerator<PipelineRound, readonly number[], void> {
  let epoch = new Epoch(options.signal);
  try {
    if (targets.length === 0) throw new InvalidArgumentError("dsi: needs at least one target");
    const text = new PipelineText(prompt, options);
    while (!text.finished) {
      options.signal?.throwIfAborted();
      yield* segment(draft, targets, text, epoch);
      epoch.end();
      epoch = new Epoch(options.signal);
    }
    return text.ids.slice(prompt.length);
  } finally {
    epoch.end();
    await Promise.all([draft, ...targets].map((end) => end.dispose()));
  }
}

/** One epoch of DSI: up to its rejection, or to the end of the text. */
async function* segment(
  draft: DraftEnd,
  targets: readonly TargetEnd[],
  text: PipelineText,
  epoch: Epoch,
): AsyncGenerator<PipelineRound> {
  const tasks: Task[] = [];
  let whole: readonly number[] = [...text.ids];
  let sent = 0;
  const send = (from: number): Task["laws"] =>
    epoch.start(targets[sent++ % targets.length].laws(whole, from, epoch.signal));
  let early = targets.length > 1 ? send(whole.length) : null;
  let drafting: Promise<DraftTree> | null = null;
  let drained = false;
  while (!text.finished) {
    const count = text.count(whole.length);
    if (!drafting && !drained && count > 0 && tasks.length <= targets.length) {
      drafting = epoch.start(draft.draft(whole, count, epoch.signal));
    }
    const events: Promise<Event>[] = [];
    if (tasks.length > 0) {
      events.push(tasks[0].laws.then((laws) => ({ laws, first: false })));
      if (early) events.push(early.then((laws) => ({ laws, first: true })));
    }
    if (drafting) events.push(drafting.then((chunk) => ({ chunk })));
    if (events.length === 0) return;
    // oxlint-disable-next-line no-await-in-loop -- what comes first decides what is started next
    const event = await Promise.race(events);
    if ("chunk" in event) {
      drafting = null;
      drained = event.chunk.tokens.length === 0;
      if (drained && tasks.length > 0) continue;
      const from = whole.length;
      whole = [...whole, ...event.chunk.tokens];
      tasks.push({ chunk: event.chunk, laws: send(from) });
      continue;
    }
    const { chunk } = tasks[0];
    const tested = event.first ? part(chunk, 0, 1) : chunk;
    const { path, next } = text.test(tested, event.laws);
    const accepted = Array.from(tested.tokens.subarray(0, path.length));
    if (accepted.length < tested.tokens.length || accepted.length === 0) {
      const failed = Math.min(1, tested.tokens.length);
      yield text.add([...accepted, next], accepted.length + failed, accepted.length);
      return;
    }
    early = null;
    if (event.first) continue;
    tasks.shift();
    yield text.add(accepted, accepted.length, accepted.length);
  }
}

/** What happened next in an epoch: a chunk was drafted, or laws of the oldest task (or of its first token alone) are there. */
type Event =
  | { readonly chunk: DraftTree }
  | { readonly laws: readonly Distribution[]; readonly first: boolean };
