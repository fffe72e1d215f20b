import type { PreTokenizer } from "./pre-tokenizer.ts";

/** What vocabularies of every kind have. */
interface Tokens {
  /** By id, spelled as in vocabulary files: normal tokens in the manner of their kind ("Ġthe", "▁the"), special and user-defined ones as text. */
  readonly pieces: readonly string[];
  /** Control tokens ("<|im_end|>"): they steer the model, and no text turns into one unless asked. */
  readonly specialIds: ReadonlySet<number>;
  /** Tokens that are cut out of any text before it is split, but are ordinary text otherwise. */
  readonly userDefinedIds: ReadonlySet<number>;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  /** Ids after which generation stops. */
  readonly endIds: ReadonlySet<number>;
  /** Whether the model expects BOS before a prompt; encode never adds it. */
  readonly addBos: boolean;
}

/** Everything that a byte-level BPE tokenizer is made from. */
export interface Vocabulary extends Tokens {
  /** "left right", best first. */
  readonly merges: readonly string[];
  readonly preTokenizer: PreTokenizer;
  /** Unicode normalization of the text before it is split. */
  readonly normalizer: "NFC" | undefined;
  /** A piece that is in the vocabulary is one token, whatever the merges say (Llama 3). */
  readonly ignoreMerges: boolean;
}

/** Everything that a SentencePiece tokenizer is made from. Pieces like "<0x0A>" stand for a byte. */
export interface SentencePieceVocabulary extends Tokens {
  /** By id; the best is merged first. */
  readonly scores: readonly number[];
  /** Whether a space goes before a text, at its start and after each token that was cut out. */
  readonly addSpacePrefix: boolean;
}

/** The tokens of a tokenizer.json that `@huggingface/tokenizers` encodes with. */
export interface DelegatedVocabulary extends Tokens {
  readonly json: object;
}

/** Any of the three. */
export type AnyVocabulary = Vocabulary | SentencePieceVocabulary | DelegatedVocabulary;

/** Control tokens that end a turn or a text in the families that we read; the model may emit any of them. */
const endPieces = [
  "<|im_end|>",
  "<|endoftext|>",
  "<|eot_id|>",
  "<|end_of_text|>",
  "<|eom_id|>",
  "<|end|>",
  "<end_of_turn>",
];

/** EOS and the well-known end tokens that the vocabulary marks as special. */
export function findEndIds(
  pieces: readonly string[],
  specialIds: ReadonlySet<number>,
  eosId: number | undefined,
): Set<number> {
  const ids = new Set<number>();
  if (eosId !== undefined) ids.add(eosId);
  for (const id of specialIds) if (endPieces.includes(pieces[id])) ids.add(id);
  return ids;
}
