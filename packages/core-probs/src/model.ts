/**
 * The model contract: what a method may ask of a language model. Types only.
 *
 * A model opens sequences; a sequence holds committed tokens and their cache rows. `forward` runs tokens after them and commits nothing, so
 * that a caller looks at logits first and keeps what it likes: rolling back is free, and one call is one forward of the network.
 * There are no optional methods: a model that lacks a capability lacks the type.
 */
import type { Matrix } from "./matrix.ts";

/** Which rows of a forward come back: after every token, or after the last one only. */
export type LogitRows = "all" | "last";

export interface ForwardOptions {
  /** Default "all". */
  readonly rows?: LogitRows;
  /** Checked between the chunks of a long forward; a rejected forward has changed nothing. */
  readonly signal?: AbortSignal;
}

/** A model whose sequences are of type S. */
export interface LanguageModel<S extends Sequence = Sequence> {
  /** Width of a row of logits. */
  readonly vocabSize: number;
  /** Most tokens a sequence may hold. */
  readonly contextLength: number;
  /** Opens an empty sequence. */
  open(): Promise<S>;
  /** Frees the model; its sequences end with it. */
  dispose(): Promise<void>;
}

/** Committed tokens and their cache rows. One call at a time: a second `forward` before the first has settled is an error. */
export interface Sequence {
  /** Number of committed tokens. */
  readonly length: number;
  /**
   * Runs `ids` after the committed tokens and returns logits [rows, vocabSize]; row i scores what follows ids[i]. Commits nothing.
   *
   * @throws ContextLengthError where length + ids.length exceeds the context; InvalidArgumentError for no ids or an id outside the vocabulary.
   */
  forward(ids: ArrayLike<number>, options?: ForwardOptions): Promise<Matrix>;
  /** Keeps the first `count` tokens of the last forward, 0 <= count <= its length. A second commit of one forward is an error. */
  commit(count: number): void;
  /** Rolls back to the first `length` committed tokens. */
  truncate(length: number): void;
  /** A second sequence with the same committed tokens; both share their rows until one of them grows. */
  fork(): Sequence;
  /** Frees the rows. The sequence must not be used again. */
  dispose(): void;
}

/** A sequence that also runs token trees in one forward. */
export interface TreeSequence extends Sequence {
  /**
   * Runs the nodes of a tree after the committed tokens: node i sees those, its ancestors and itself. Returns logits [nodes, vocabSize]; commits
   * nothing.
   *
   * @param parents parents[i] < i is the parent of node i, -1 for a child of the last committed token.
   */
  forwardTree(
    tokens: ArrayLike<number>,
    parents: ArrayLike<number>,
    options?: Pick<ForwardOptions, "signal">,
  ): Promise<Matrix>;
  /** Keeps the nodes of a path of the last forwardTree, in order from the root: each node's parent is the one before it. */
  commitPath(nodes: ArrayLike<number>): void;
  fork(): TreeSequence;
}

/** A sequence whose forwards give hidden states beside logits, which drafts that were trained for a model begin with. */
export interface TappedSequence extends TreeSequence {
  /** Hidden states of the rows of the last forward, [rows, tapWidth]. @throws InvalidArgumentError before there is one. */
  readonly taps: Matrix;
  fork(): TappedSequence;
}

/** A model that opens such sequences. */
export interface TappedModel extends LanguageModel<TreeSequence> {
  /** Width of a row of taps. */
  readonly tapWidth: number;
  openTapped(): Promise<TappedSequence>;
}

/** What a {@link DraftHead} thinks after a token. */
export interface HeadRow {
  /** [n] one for each id that it can say. */
  readonly logits: Float32Array;
  /** What it goes on from. */
  readonly state: Float32Array;
}

/** A small network that was trained to guess from the hidden states of one model what that model says next. */
export interface DraftHead {
  /** SHA-256 of the model's file, in hex. */
  readonly targetSha256: string;
  /** Width of the hidden states that it begins with, a row of {@link TappedSequence}'s taps. */
  readonly tapWidth: number;
  /** [n] the ids that it can say, ascending. */
  readonly ids: Int32Array;
  /** What follows `id`, a token that was drawn where the model had the hidden states `taps`. */
  start(taps: Float32Array, id: number): Promise<HeadRow>;
  /** What follows `id` after the tokens that `row` comes from. */
  next(row: HeadRow, id: number): Promise<HeadRow>;
  /** Frees the network. */
  dispose(): Promise<void>;
}
