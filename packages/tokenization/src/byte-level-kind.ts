/** Byte-level BPE as a kind of tokenizer. */
import { type Bpe, createBpe, type MergeIds } from "./bpe.ts";
import { spell, type TokenBytes, unspellAll } from "./byte-level.ts";
import type { Kind } from "./kind.ts";
import { wholePieces } from "./piece-encoder.ts";
import type { PieceTable } from "./piece-table.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The kind of tokenizer for a vocabulary; `literalIds` are the special and user-defined tokens. */
export function createByteLevel(vocabulary: Vocabulary, literalIds: ReadonlySet<number>): Kind {
  const { pieces, merges } = vocabulary;
  const tokenBytes = unspellAll(pieces, literalIds);
  const idOf = new Map<string, number>();
  for (let id = 0; id < pieces.length; id++) if (pieces[id] !== "") idOf.set(pieces[id], id);
  return byteLevelKind(createBpe({ idOf, merges, tokenBytes }), tokenBytes, literalIds, vocabulary);
}

/** How a text becomes pieces, and whether a piece that is a token stays one. */
export type Splitting = Pick<Vocabulary, "preTokenizer" | "normalizer" | "ignoreMerges">;

/** The kind of tokenizer for an encoder; `whole` is made where it is not given. */
export function byteLevelKind(
  bpe: Bpe,
  tokenBytes: TokenBytes,
  literalIds: ReadonlySet<number>,
  { preTokenizer, normalizer, ignoreMerges }: Splitting,
  whole?: PieceTable,
): Kind {
  return {
    tokenBytes,
    encoder: bpe,
    bpe,
    addsSpace: false,
    whole: whole ?? wholePieces(wholeIds(), tokenBytes),
    prepare: normalizer === undefined ? (text) => text : (text) => text.normalize(normalizer),
    scanner: preTokenizer.scanner,
    split: preTokenizer.split,
    spell,
  };

  function wholeIds(): Iterable<number> {
    if (!ignoreMerges) return bpe.liveIds;
    const ids: number[] = [];
    for (let id = 0; id + 1 < tokenBytes.starts.length; id++) if (!literalIds.has(id)) ids.push(id);
    return ids;
  }
}

const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Pieces and merges as vocabulary files spell them. */
export function spellVocabulary(
  { bytes, starts }: TokenBytes,
  { left, right }: MergeIds,
  literalIds: ReadonlySet<number>,
): Pick<Vocabulary, "pieces" | "merges"> {
  const pieces: string[] = [];
  for (let id = 0; id + 1 < starts.length; id++) {
    const token = bytes.subarray(starts[id], starts[id + 1]);
    pieces.push(literalIds.has(id) ? utf8Decoder.decode(token) : spell(token));
  }
  const merges: string[] = [];
  for (let rank = 0; rank < left.length; rank++) {
    merges.push(`${pieces[left[rank]]} ${pieces[right[rank]]}`);
  }
  return { pieces, merges };
}
