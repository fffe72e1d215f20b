/**
 * Cross vocabulary: a draft model with another tokenizer, seen as a model with the vocabulary of the target.
 *
 * Timor et al., "Accelerating LLM Inference with Lossless Speculative Decoding Algorithms for Heterogeneous Vocabularies", 2025, arXiv:2502.05202
 * (token-level intersection, their TLI); vLLM's `use_heterogeneous_vocab`.
 *
 * Common tokens are those whose byte strings both vocabularies have. In: a common token is its twin, any other one is spelled by the longest draft tokens
 * that its bytes begin with, again and again. Out: the draft's logits of the twins, -Infinity for the tokens that have none, so that q is the draft's law
 * restricted to the common tokens and renormalized. q is what is drawn from and what the verifier is told; p is untouched: exact.
 *
 * Departures: a text is translated token by token in place of being decoded and encoded again, so that its translation never changes behind a place
 * and the draft's cache stays in step; the draft then reads a text that its own tokenizer may have cut in other places.
 */
import {
  ContextLengthError,
  type ForwardOptions,
  InvalidArgumentError,
  type LanguageModel,
  type Matrix,
  row,
  type Sequence,
} from "@veridraft/core-probs";

/**
 * The bytes of each token of a vocabulary, by id; null for control tokens, which stand for no text. As many as a row of the model's logits.
 *
 * @example Array.from({ length: model.vocabSize }, (_, id) => (tokenizer.isSpecial(id) ? null : tokenizer.tokenBytes(id)))
 */
export type Pieces = readonly (Uint8Array | null)[];

/** How the tokens of a target are said in the vocabulary of a draft. */
export interface VocabularyMap {
  /** [target tokens] the draft id of the same bytes, the lowest; -1 where there is none. */
  readonly twins: Int32Array;
  /** [target tokens] the draft ids that spell it, at least one. */
  readonly spellings: readonly Int32Array[];
  /** Number of draft tokens. */
  readonly draftSize: number;
}

/**
 * Maps a vocabulary to another.
 *
 * @param unknown Draft id for control tokens and for bytes that the draft has no token of; as a rule its unknown or its end token.
 * @throws InvalidArgumentError for an `unknown` outside the draft's vocabulary, and where no token is common.
 */
export function mapVocabulary(target: Pieces, draft: Pieces, unknown: number): VocabularyMap {
  if (!(Number.isInteger(unknown) && unknown >= 0 && unknown < draft.length)) {
    throw new InvalidArgumentError(
      `mapVocabulary: unknown must be an integer in [0, ${draft.length}), got ${unknown}`,
    );
  }
  const ids = new Map<string, number>();
  let longest = 0;
  draft.forEach((piece, id) => {
    if (!piece || piece.length === 0) return;
    const key = keyOf(piece);
    if (!ids.has(key)) ids.set(key, id);
    longest = Math.max(longest, piece.length);
  });
  const twins = Int32Array.from(target, (piece) =>
    piece && piece.length > 0 ? (ids.get(keyOf(piece)) ?? -1) : -1,
  );
  if (twins.every((twin) => twin < 0)) {
    throw new InvalidArgumentError(
      `mapVocabulary: ${target.length} target and ${draft.length} draft tokens have none in common; give another draft model`,
    );
  }
  const spellings = target.map((piece) => {
    const key = piece ? keyOf(piece) : "";
    const spelling: number[] = [];
    for (let at = 0; at < key.length;) {
      let length = Math.min(longest, key.length - at);
      while (length > 0 && !ids.has(key.slice(at, at + length))) length--;
      spelling.push(ids.get(key.slice(at, at + length)) ?? unknown);
      at += Math.max(1, length);
    }
    return Int32Array.from(spelling.length > 0 ? spelling : [unknown]);
  });
  return { twins, spellings, draftSize: draft.length };
}

/** Bytes as a string with a character for each, to be looked up. */
function keyOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/**
 * The draft as a model of the target's vocabulary, for `createDraftModel`. A sequence holds as many tokens as their spellings fit into the draft's
 * context; beyond that its forward throws ContextLengthError. Disposes the draft with itself.
 *
 * @throws InvalidArgumentError for a map to another vocabulary than the draft's.
 */
export function crossVocabularyModel(draft: LanguageModel, map: VocabularyMap): LanguageModel {
  if (map.draftSize !== draft.vocabSize) {
    throw new InvalidArgumentError(
      `crossVocabularyModel: the map must be to the draft's ${draft.vocabSize} tokens, got ${map.draftSize}`,
    );
  }
  return {
    vocabSize: map.twins.length,
    contextLength: draft.contextLength,
    open: async () => new TranslatedSequence(await draft.open(), map, draft.contextLength),
    dispose: () => draft.dispose(),
  };
}

/** A sequence of the draft that is spoken to in the target's vocabulary. */
class TranslatedSequence implements Sequence {
  readonly #sequence: Sequence;
  readonly #map: VocabularyMap;
  readonly #contextLength: number;
  /** Draft tokens up to the end of each committed token, and those of the last forward. */
  #ends: number[] = [];
  #forwarded: number[] = [];

  constructor(sequence: Sequence, map: VocabularyMap, contextLength: number) {
    this.#sequence = sequence;
    this.#map = map;
    this.#contextLength = contextLength;
  }

  get length(): number {
    return this.#ends.length;
  }

  async forward(ids: ArrayLike<number>, options: ForwardOptions = {}): Promise<Matrix> {
    const { twins, spellings } = this.#map;
    const translated: number[] = [];
    const ends: number[] = [];
    for (let i = 0; i < ids.length; i++) {
      const spelling = spellings[ids[i]];
      if (!spelling) {
        throw new InvalidArgumentError(
          `crossVocabularyModel: ids must be in [0, ${twins.length}), got ${ids[i]}`,
        );
      }
      translated.push(...spelling);
      ends.push(translated.length);
    }
    if (this.#sequence.length + translated.length > this.#contextLength) {
      throw new ContextLengthError(
        `crossVocabularyModel: ${this.#sequence.length} + ${translated.length} draft tokens exceed a context of ${this.#contextLength}`,
      );
    }
    const logits = await this.#sequence.forward(translated, options);
    this.#forwarded = ends;
    const rows = options.rows === "last" ? [0] : ends.map((end) => end - 1);
    const cols = twins.length;
    const data = new Float32Array(rows.length * cols).fill(-Infinity);
    rows.forEach((from, i) => {
      const values = row(logits, from);
      for (let token = 0; token < cols; token++) {
        if (twins[token] >= 0) data[i * cols + token] = values[twins[token]];
      }
    });
    return { data, rows: rows.length, cols };
  }

  commit(count: number): void {
    if (!(count >= 0 && count <= this.#forwarded.length)) {
      throw new InvalidArgumentError(
        `crossVocabularyModel: commit must be of at most ${this.#forwarded.length} tokens, got ${count}`,
      );
    }
    const base = this.#sequence.length;
    this.#sequence.commit(count === 0 ? 0 : this.#forwarded[count - 1]);
    this.#ends.push(...this.#forwarded.slice(0, count).map((end) => base + end));
    this.#forwarded = [];
  }

  truncate(length: number): void {
    if (!(length >= 0 && length <= this.#ends.length)) {
      throw new InvalidArgumentError(
        `crossVocabularyModel: truncate must be to at most ${this.#ends.length} tokens, got ${length}`,
      );
    }
    this.#sequence.truncate(length === 0 ? 0 : this.#ends[length - 1]);
    this.#ends.length = length;
  }

  fork(): Sequence {
    const fork = new TranslatedSequence(this.#sequence.fork(), this.#map, this.#contextLength);
    fork.#ends = [...this.#ends];
    return fork;
  }

  dispose(): void {
    this.#sequence.dispose();
  }
}
