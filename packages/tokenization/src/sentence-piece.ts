/**
 * SentencePiece of the BPE kind (Llama 2, Gemma, Phi 3): merges the two neighbors whose piece has the best score, leftmost first, over the characters
 * of a whole text. A character without a piece becomes the tokens of its bytes.
 *
 * Taku Kudo and John Richardson, "SentencePiece: A simple and language independent subword tokenizer and detokenizer for Neural Text Processing",
 * 2018, arXiv:1808.06226. As in llama.cpp, pieces that are marked as unused count as others do, and text is not normalized.
 *
 * Pieces write a space as "▁". Here all is in spaces, so that a "▁" in a text is a space, too.
 */
import type { Encoder } from "./bpe.ts";
import { HeapEncoder } from "./bpe-heap.ts";
import type { TokenBytes } from "./byte-level.ts";
import { PairIndex } from "./pair-index.ts";
import { PieceTable } from "./piece-table.ts";
import type { Kind } from "./kind.ts";
import type { SentencePieceVocabulary } from "./vocabulary.ts";

const spaceMark = "▁";
const bytePiece = /^<0x([0-9A-F]{2})>$/;

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The kind of tokenizer for a SentencePiece vocabulary; `literalIds` are the special and user-defined tokens. */
export function createSentencePiece(
  vocabulary: SentencePieceVocabulary,
  literalIds: ReadonlySet<number>,
): Kind {
  const { pieces, scores, addSpacePrefix } = vocabulary;
  const byteIds = new Int32Array(256).fill(-1);
  const normal = new Map<string, number>();
  const tokenBytes = joinBytes(
    pieces.map((piece, id) => {
      if (literalIds.has(id)) return utf8Encoder.encode(piece);
      const hex = bytePiece.exec(piece)?.[1];
      if (hex !== undefined) {
        const byte = Number.parseInt(hex, 16);
        byteIds[byte] = id;
        return Uint8Array.of(byte);
      }
      const text = piece.replaceAll(spaceMark, " ");
      normal.set(text, id);
      return utf8Encoder.encode(text);
    }),
  );
  const prefix = addSpacePrefix ? " " : "";
  return {
    tokenBytes,
    encoder: new ScoreEncoder(normal, scores, byteIds),
    addsSpace: addSpacePrefix,
    whole: new PieceTable(0),
    bpe: undefined,
    prepare: (text) => prefix + text.replaceAll(spaceMark, " "),
    scanner: undefined,
    split: (text, emit) => emit(text),
    spell: (bytes) => utf8Decoder.decode(bytes).replaceAll(" ", spaceMark),
  };
}

function joinBytes(tokens: readonly Uint8Array[]): TokenBytes {
  const starts = new Int32Array(tokens.length + 1);
  for (const [id, token] of tokens.entries()) starts[id + 1] = starts[id] + token.length;
  const bytes = new Uint8Array(starts[tokens.length]);
  for (const [id, token] of tokens.entries()) bytes.set(token, starts[id]);
  return { bytes, starts };
}

/** Symbols are ids and, for a character without a piece, `vocabSize` + its code point. */
class ScoreEncoder implements Encoder {
  readonly algorithm = "heap";
  readonly reason = "SentencePiece merges by score over a whole text";
  readonly missingBytes: Uint8Array;
  private readonly vocabSize: number;
  private readonly byteIds: Int32Array;
  /** Code point -> id. */
  private readonly characters = new Map<number, number>();
  private readonly heap: HeapEncoder;
  private input = new Int32Array(64);
  private merged = new Int32Array(64);

  constructor(normal: ReadonlyMap<string, number>, scores: readonly number[], byteIds: Int32Array) {
    this.vocabSize = scores.length;
    this.byteIds = byteIds;
    this.missingBytes = Uint8Array.from(byteIds.keys()).filter((byte) => byteIds[byte] < 0);
    for (const [text, id] of normal) {
      if (isCharacter(text)) this.characters.set(text.codePointAt(0) as number, id);
    }
    const [left, right, whole]: number[][] = [[], [], []];
    const symbolOf = (text: string): number =>
      normal.get(text) ??
      (isCharacter(text) ? this.vocabSize + (text.codePointAt(0) as number) : -1);
    for (const [text, id] of normal) {
      for (let at = widthAt(text, 0); at < text.length; at += widthAt(text, at)) {
        const first = symbolOf(text.slice(0, at));
        const second = first < 0 ? -1 : symbolOf(text.slice(at));
        if (second < 0) continue;
        left.push(first);
        right.push(second);
        whole.push(id);
      }
    }
    const best = [...new Set(scores)].toSorted((a, b) => b - a);
    const rankOf = new Map(best.map((score, rank) => [score, rank]));
    const ranks = Int32Array.from(whole, (id) => rankOf.get(scores[id]) as number);
    const merges = new PairIndex(Int32Array.from(left), Int32Array.from(right));
    for (const merge of whole.keys()) merges.add(merge);
    this.heap = new HeapEncoder({ merges, ranks, results: Int32Array.from(whole) });
  }

  get operations(): number {
    return this.heap.operations;
  }

  encode(bytes: Uint8Array, start: number, end: number, out: Int32Array, at: number): number {
    if (end - start > this.input.length) {
      this.input = new Int32Array(2 * (end - start));
      this.merged = new Int32Array(2 * (end - start));
    }
    const { input, merged, vocabSize } = this;
    let length = 0;
    for (const character of utf8Decoder.decode(bytes.subarray(start, end))) {
      const code = character.codePointAt(0) as number;
      input[length++] = this.characters.get(code) ?? vocabSize + code;
    }
    const stop = this.heap.encode(input, 0, length, merged, 0);
    for (let i = 0; i < stop; i++) {
      if (merged[i] < vocabSize) out[at++] = merged[i];
      else at = this.encodeBytes(merged[i] - vocabSize, out, at);
    }
    return at;
  }

  private encodeBytes(codePoint: number, out: Int32Array, at: number): number {
    for (const byte of utf8Encoder.encode(String.fromCodePoint(codePoint))) {
      if (this.byteIds[byte] >= 0) out[at++] = this.byteIds[byte];
    }
    return at;
  }
}

/** UTF-16 units of the character at a place. */
function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
}

function isCharacter(text: string): boolean {
  return text.length > 0 && text.length === widthAt(text, 0);
}
