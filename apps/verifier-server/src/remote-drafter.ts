/**
 * A drafter that lives in a draft server.
 *
 * One stream a generation; each request carries what was committed since the last one and what the last round showed. A peer that is dead, late or
 * talks nonsense costs a generation nothing but its drafts: the round goes on with the empty tree, the stream is opened again in the background
 * from the committed ids, and one warning is given for each outage of the peer.
 */
import type { Sampling } from "@veridraft/core-probs";
import {
  decodeFloat32,
  decodeInt32,
  encodeFloat32,
  encodeInt32,
  encodeUint32,
  isRpcError,
  RpcError,
  type StatusCode,
} from "@veridraft/rpc";
import type { BidiCall, DraftClient } from "@veridraft/rpc/client";
import {
  Coupling as WireCoupling,
  type DraftRequest,
  type DraftResponse,
  type Feedback,
  type Opened,
  type Proposal,
  type Propose,
} from "@veridraft/rpc/draft";
import {
  checkTree,
  type Coupling,
  type DraftContext,
  type Drafter,
  type DraftLaw,
  type DraftResult,
  type DraftTree,
  emptyTree,
} from "@veridraft/spec-decoding";

/** Hidden states of a target, and whose they are. */
export interface TargetTaps {
  readonly width: number;
  /** Of the target's file. */
  readonly targetSha256: string;
}

/** What a remote drafter is told about its generation. */
export interface RemoteDrafterOptions {
  /** Of the target; the peer must have the same tokenizer. */
  readonly tokenizerSha256: string;
  readonly vocabSize: number;
  /** Absent for a target that gives no hidden states. */
  readonly taps?: TargetTaps;
  /** By name; "" leaves the choice to the peer. */
  readonly drafter: string;
  readonly sampling: Sampling;
  readonly coupling: Coupling;
  readonly seed: bigint;
  /** Shared by the generations that ask one peer. */
  readonly outage: Outage;
  /** How long a round waits for its draft. Default 200 ms. */
  readonly roundTimeoutMs?: number;
}

/** Whether a peer drafts at present, as all its generations see it: an outage is warned of once, until a draft arrives again. */
export class Outage {
  readonly #warn: (message: string) => void;
  #lasts = false;

  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /** The peer did not draft. */
  report(reason: string): void {
    if (!this.#lasts) this.#warn(`the draft server does not draft: ${reason}`);
    this.#lasts = true;
  }

  /** The peer drafted. */
  end(): void {
    this.#lasts = false;
  }
}

/** A drafter that can be opened before its first round. */
export interface RemoteDrafter extends Drafter {
  /** That of the peer's drafter, once the stream is open. */
  readonly name: string;
  /** As the peer wants it; 0 until the stream is open. */
  readonly successors: number;
  /** As the peer wants it, where the target gives it; until the stream is open what the target gives. */
  readonly tapWidth: number;
  /** Rounds that went without a draft because the peer did not answer. */
  readonly missedRounds: number;
  /**
   * Opens the stream with the committed ids, as the first `propose` would. Resolves also where the peer cannot be reached in the time of a round.
   *
   * @throws RpcError where the peer refuses the generation for good.
   */
  open(ids: ArrayLike<number>): Promise<void>;
}

/** Statuses that no second try changes: the request itself is at fault. */
const refusals: ReadonlySet<StatusCode> = new Set([
  "FAILED_PRECONDITION",
  "INVALID_ARGUMENT",
  "UNIMPLEMENTED",
]);
const maxBudget = 64;
const maxSuccessors = 256;
const firstBackoffMs = 100;
const longestBackoffMs = 5000;

/**
 * The drafter of one generation.
 *
 * A peer that refuses the generation (another tokenizer, an unknown drafter) makes `open` or the first `propose` throw; afterwards nothing does.
 */
export function createRemoteDrafter(
  client: DraftClient,
  options: RemoteDrafterOptions,
): RemoteDrafter {
  return new Remote(client, options);
}

class Remote implements RemoteDrafter {
  readonly #client: DraftClient;
  readonly #options: RemoteDrafterOptions;
  #ids: ArrayLike<number> = [];
  #stream: Stream | null = null;
  #peer: Opened = { drafter: "", successors: 0, tapWidth: 0 };
  #feedback: DraftResult | null = null;
  /** Whether the round at hand was asked for on the stream at hand, so that its result may be reported there. */
  #asked = false;
  #round = 0;
  #missed = 0;
  #begun = false;
  #refusal: RpcError | null = null;
  #closed = false;
  #backoffMs = firstBackoffMs;
  #retry: NodeJS.Timeout | null = null;

  constructor(client: DraftClient, options: RemoteDrafterOptions) {
    this.#client = client;
    this.#options = options;
  }

  get name(): string {
    return this.#peer.drafter || this.#options.drafter || "remote";
  }

  get successors(): number {
    return this.#peer.successors;
  }

  get tapWidth(): number {
    const { width = 0 } = this.#options.taps ?? {};
    return this.#stream?.open && this.#peer.tapWidth !== width ? 0 : width;
  }

  get missedRounds(): number {
    return this.#missed;
  }

  async open(ids: ArrayLike<number>): Promise<void> {
    this.#ids = ids;
    if (ids.length > 0) await this.#ready();
  }

  async propose({ ids, budget, confidenceThreshold, taps }: DraftContext): Promise<DraftTree> {
    this.#ids = ids;
    this.#asked = false;
    const most = Math.min(budget, maxBudget);
    if (ids.length === 0 || most < 1) return emptyTree;
    const stream = await this.#ready();
    // While an answer is due, another request would only wait behind it.
    if (!stream || stream.waiting) return this.#miss();
    this.#asked = true;
    const round = ++this.#round;
    const feedback = this.#feedback;
    this.#feedback = null;
    const answer = await this.#inTime(
      stream.ask(ids, {
        round,
        budget: most,
        confidenceThreshold,
        taps: taps && this.#peer.tapWidth === taps.length ? encodeFloat32(taps) : undefined,
        feedback: (feedback && writeFeedback(feedback, this.successors)) ?? undefined,
      }),
    );
    if (stream !== this.#stream) return this.#miss();
    if (!answer) {
      this.#options.outage.report(`no draft within ${this.#timeoutMs} ms`);
      return this.#miss();
    }
    try {
      const tree = readProposal(answer, this.#options.vocabSize, most);
      this.#options.outage.end();
      this.#backoffMs = firstBackoffMs;
      return tree;
    } catch (error) {
      stream.cancel();
      // A code of ours would read as one of the peer's.
      this.#lost(stream, new RpcError("DATA_LOSS", (error as Error).message, { cause: error }));
      return this.#miss();
    }
  }

  observe(result: DraftResult): void {
    if (this.#asked) this.#feedback = result;
    this.#asked = false;
  }

  dispose(): void {
    this.#closed = true;
    if (this.#retry) clearTimeout(this.#retry);
    const stream = this.#stream;
    this.#stream = null;
    if (stream?.open && !stream.waiting) stream.end();
    else stream?.cancel();
  }

  get #timeoutMs(): number {
    return this.#options.roundTimeoutMs ?? 200;
  }

  /** The stream, once it is open; null where that takes too long. */
  async #ready(): Promise<Stream | null> {
    if (!this.#begun) this.#connect();
    const stream = this.#stream;
    // Only the first round waits: later ones go on without drafts while the stream is opened again.
    if (stream && !this.#begun) await this.#inTime(stream.opened);
    if (!this.#begun && this.#refusal) throw this.#refusal;
    if (!this.#begun && stream === this.#stream && !stream?.open) {
      this.#options.outage.report("no answer yet");
    }
    this.#begun = true;
    return this.#stream?.open ? this.#stream : null;
  }

  #connect(): void {
    this.#retry = null;
    if (this.#closed || this.#stream) return;
    const call = this.#client.draft({ timeoutMs: Infinity });
    this.#stream = new Stream(call, this.#ids, this.#options, {
      opened: (peer) => {
        this.#peer = peer;
      },
      ended: (stream, error) => this.#lost(stream, error),
    });
  }

  #lost(stream: Stream, error: unknown): void {
    if (stream !== this.#stream || this.#closed) return;
    this.#stream = null;
    this.#feedback = null;
    this.#asked = false;
    const refused = isRpcError(error) && refusals.has(error.code);
    if (refused && !this.#begun) {
      this.#refusal = error;
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    this.#options.outage.report(refused ? `refused for good: ${message}` : message);
    if (refused) return;
    this.#retry = setTimeout(() => this.#connect(), this.#backoffMs);
    this.#retry.unref();
    this.#backoffMs = Math.min(2 * this.#backoffMs, longestBackoffMs);
  }

  #miss(): DraftTree {
    this.#missed++;
    return emptyTree;
  }

  /** What `work` resolves to, or undefined after the time of a round. */
  async #inTime<T>(work: Promise<T>): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), this.#timeoutMs);
    });
    const result = await Promise.race([work, late]);
    clearTimeout(timer);
    return result;
  }
}

interface StreamEvents {
  opened(peer: Opened): void;
  /** Called once; also where the peer ends the stream without an error. */
  ended(stream: Stream, error: unknown): void;
}

/** One stream: what the peer knows, and the answer that is due. */
class Stream {
  readonly #call: BidiCall<DraftRequest, DraftResponse>;
  readonly #events: StreamEvents;
  /** Resolves when the stream is open or has ended. */
  readonly opened: Promise<void>;
  #settleOpened!: () => void;
  #known: number;
  #due: { round: number; resolve: (answer: Proposal | undefined) => void } | null = null;
  open = false;

  constructor(
    call: BidiCall<DraftRequest, DraftResponse>,
    ids: ArrayLike<number>,
    options: RemoteDrafterOptions,
    events: StreamEvents,
  ) {
    this.#call = call;
    this.#events = events;
    this.#known = ids.length;
    this.opened = new Promise((resolve) => {
      this.#settleOpened = resolve;
    });
    void this.#run(writeOpen(ids, options));
  }

  /** Whether an answer is due. */
  get waiting(): boolean {
    return this.#due !== null;
  }

  /** Resolves with the answer, or undefined where the stream ends before. */
  ask(ids: ArrayLike<number>, question: Omit<Propose, "commit">): Promise<Proposal | undefined> {
    const commit = encodeUint32(Array.prototype.slice.call(ids, this.#known));
    this.#known = ids.length;
    const value = { ...question, commit };
    return new Promise((resolve) => {
      this.#due = { round: question.round, resolve };
      // A stream that ended says so to #run.
      this.#call.send({ request: { $case: "propose", value } }).catch(() => {});
    });
  }

  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  async #run(open: DraftRequest): Promise<void> {
    try {
      this.#call.send(open).catch(() => {});
      for await (const { response } of this.#call.responses) {
        if (
          response?.$case === "opened" &&
          !this.open &&
          response.value.successors <= maxSuccessors
        ) {
          this.open = true;
          this.#events.opened(response.value);
          this.#settleOpened();
        } else if (response?.$case === "proposal" && response.value.round === this.#due?.round) {
          const { resolve } = this.#due;
          this.#due = null;
          resolve(response.value);
        } else {
          throw new RpcError("DATA_LOSS", "the peer sent an answer that nobody asked for");
        }
      }
      throw new RpcError("UNAVAILABLE", "the peer has ended the stream");
    } catch (error) {
      this.open = false;
      this.#events.ended(this, error);
      this.#due?.resolve(undefined);
      this.#due = null;
      this.#settleOpened();
    }
  }
}

function writeOpen(ids: ArrayLike<number>, options: RemoteDrafterOptions): DraftRequest {
  const { tokenizerSha256, taps, drafter, sampling, coupling, seed } = options;
  const wire =
    coupling === "optimal" ? WireCoupling.COUPLING_OPTIMAL : WireCoupling.COUPLING_SEEDED;
  return {
    request: {
      $case: "open",
      value: {
        tokenizerSha256,
        targetSha256: taps?.targetSha256,
        ids: encodeUint32(ids),
        drafter,
        sampling: { ...sampling, seed, coupling: wire },
      },
    },
  };
}

/** Null for a result that the peer could not use: its rows were made before the peer had said how many ids it wants. */
function writeFeedback({ tree, path, successors }: DraftResult, k: number): Feedback | null {
  const nodes = tree.tokens.length;
  if (nodes > maxBudget || successors.length !== (1 + nodes) * k) return null;
  return {
    tokens: encodeUint32(tree.tokens),
    parents: encodeInt32(tree.parents),
    path: encodeUint32(path),
    successors: encodeInt32(successors),
  };
}

/** @throws where the proposal is not a tree of at most `budget` nodes with laws that hold its tokens. */
function readProposal(message: Proposal, vocabSize: number, budget: number): DraftTree {
  const tokens = decodeInt32(message.tokens, "proposal.tokens", budget);
  const laws: DraftLaw[] =
    message.laws.length === 0
      ? Array.from(tokens, () => null)
      : message.laws.slice(0, budget + 1).map(({ ids, probs }) =>
          ids.length === 0 && probs.length === 0
            ? null
            : {
                ids: decodeInt32(ids, "proposal.laws.ids", vocabSize),
                probs: decodeFloat32(probs, "proposal.laws.probs", vocabSize),
              },
        );
  const tree = {
    tokens,
    parents: decodeInt32(message.parents, "proposal.parents", budget),
    laws,
    confidences: decodeFloat32(message.confidences, "proposal.confidences", budget),
  };
  checkTree(tree, vocabSize, budget);
  return tree;
}
