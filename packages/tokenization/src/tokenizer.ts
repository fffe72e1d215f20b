import { createHash } from "node:crypto";
import { InvalidArgumentError } from "@veridraft/core-probs";
import { type BpeAlgorithm, createBpe } from "./bpe.ts";
import { spell, unspellAll } from "./byte-level.ts";
import type { Kind } from "./kind.ts";
import { PieceEncoder, wholePieces } from "./piece-encoder.ts";
import { piecePadding } from "./piece-table.ts";
import { createSentencePiece } from "./sentence-piece.ts";
import type { SentencePieceVocabulary, Vocabulary } from "./vocabulary.ts";

/** How {@link Tokenizer.encode} reads the text. */
export interface EncodeOptions {
  /**
   * Turn the text of control tokens ("<|im_end|>") into these tokens. Only for text that a chat template wrote: with it on, whoever wrote the text
   * can end a turn or speak as another role.
   *
   * @default false
   */
  readonly special?: boolean;
}

/** How {@link Tokenizer.decode} writes control tokens. */
export interface DecodeOptions {
  /** @default "keep" */
  readonly special?: "keep" | "skip";
}

/** Between text and token ids: byte-level BPE, or SentencePiece. */
export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  /** Ids after which generation stops: EOS and the other end tokens of the family. */
  readonly endIds: ReadonlySet<number>;
  /** Whether the model expects BOS before a prompt; `encode` never adds it. */
  readonly addBos: boolean;
  /** Hex digest of what maps text to ids and back (pieces, kinds, merges, pre-tokenizer, normalizer): equal digests, equal tokenizers. */
  readonly sha256: string;
  /** "linear", or "heap" where the merges are not in training order, and for SentencePiece. */
  readonly algorithm: BpeAlgorithm;
  /** Bytes that no token has: text that holds them loses them in `encode`. Empty for most models; SmolLM2 lacks 21 (control characters and bytes that UTF-8 seldom or never uses). */
  readonly missingBytes: Uint8Array;
  readonly vocabulary: Vocabulary | SentencePieceVocabulary;

  /** Ids of `text`. Lone surrogates count as U+FFFD. No BOS or EOS is added. */
  encode(text: string, options?: EncodeOptions): Int32Array;
  /** `encode(text, options).length`. */
  count(text: string, options?: EncodeOptions): number;
  /**
   * Cuts `text` at control and user-defined tokens: ids for these, strings for what is between.
   *
   * @example
   * tokenizer.splitSpecial("<|im_start|>user"); // [1, "user"]
   */
  splitSpecial(text: string): (number | string)[];
  /**
   * Text of `ids`, without the space that SentencePiece puts before a text. Bytes that are not UTF-8 become U+FFFD; so a stream must be decoded with
   * `createDecodeStream`, not id by id.
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** Bytes of one token: a view, not to be written to. */
  tokenBytes(id: number): Uint8Array;
  /** Text of one token for people to read; a byte that is not part of a whole character is shown as \xE2. */
  piece(id: number): string;
  /** Whether `id` is a control token. */
  isSpecial(id: number): boolean;
  /** The token whose text is exactly `text` (" the", "<|im_end|>"), if there is one. */
  idOf(text: string): number | undefined;
}

/** Buffers up to this size are kept for the next text. */
const keptInput = 1 << 20;
/** Pieces that are found and encoded at a time. */
const blockSize = 2048;

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const loneSurrogate = /\p{Surrogate}/gu;

/**
 * Builds a tokenizer.
 *
 * @throws ModelFileError where the merges do not fit the pieces.
 */
export function createTokenizer(vocabulary: Vocabulary | SentencePieceVocabulary): Tokenizer {
  const { pieces, specialIds, userDefinedIds } = vocabulary;
  const vocabSize = pieces.length;
  const spelled = new Map<string, number>();
  for (let id = 0; id < vocabSize; id++) if (pieces[id] !== "") spelled.set(pieces[id], id);
  const literalIds = new Set([...specialIds, ...userDefinedIds]);
  const kind =
    "merges" in vocabulary
      ? createByteLevel(vocabulary, spelled, literalIds)
      : createSentencePiece(vocabulary, literalIds);
  const { encoder, addsSpace } = kind;
  const { bytes: allBytes, starts } = kind.tokenBytes;
  const userPattern = matchAny([...userDefinedIds].map((id) => pieces[id]));
  const specialPattern = matchAny([...literalIds].map((id) => pieces[id]));
  const pieceEncoder = new PieceEncoder(encoder, wholePieces(kind.wholeIds, kind.tokenBytes));
  const ends = new Int32Array(blockSize);
  let input = new Uint8Array(1024); // UTF-8 of the text at hand
  let view = new DataView(input.buffer);
  let digest: string | undefined;

  function checkId(caller: string, id: number): void {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new InvalidArgumentError(
        `${caller}: id must be an integer in [0, ${vocabSize}), got ${id}`,
      );
    }
  }

  function bytesOf(id: number): Uint8Array {
    return allBytes.subarray(starts[id], starts[id + 1]);
  }

  /** Puts the UTF-8 of `text` into `input` and returns its length. */
  function readText(text: string): number {
    const room = 3 * text.length + piecePadding;
    if (room > input.length || (input.length > keptInput && room <= keptInput)) {
      input = new Uint8Array(Math.max(room, keptInput));
      view = new DataView(input.buffer);
    }
    return utf8Encoder.encodeInto(text, input).written;
  }

  /** Appends the ids of a text without control tokens. */
  function encodeText(raw: string): void {
    const text = kind.prepare(raw);
    if (kind.scanner === undefined) {
      kind.split(text, (piece) => {
        ends[0] = readText(piece);
        pieceEncoder.encode(input, view, 0, ends, 1);
      });
      return;
    }
    const length = readText(text);
    for (let at = 0; at < length;) {
      const count = kind.scanner(input, at, length, ends);
      pieceEncoder.encode(input, view, at, ends, count);
      at = ends[count - 1];
    }
  }

  function cut(text: string, pattern: RegExp | undefined): (number | string)[] {
    if (pattern === undefined) return text === "" ? [] : [text];
    const parts: (number | string)[] = [];
    let start = 0;
    for (const match of text.matchAll(pattern)) {
      if (match.index > start) parts.push(text.slice(start, match.index));
      parts.push(spelled.get(match[0]) as number);
      start = match.index + match[0].length;
    }
    if (start < text.length) parts.push(text.slice(start));
    return parts;
  }

  /** Fills the list of ids from its start. */
  function run(text: string, special: boolean): void {
    pieceEncoder.used = 0;
    const pattern = special ? specialPattern : userPattern;
    if (pattern === undefined && kind.scanner !== undefined) return encodeText(text);
    for (const part of cut(text.replace(loneSurrogate, "\uFFFD"), pattern)) {
      if (typeof part === "number") pieceEncoder.push(part);
      else encodeText(part);
    }
  }

  return {
    vocabSize,
    bosId: vocabulary.bosId,
    eosId: vocabulary.eosId,
    endIds: vocabulary.endIds,
    addBos: vocabulary.addBos,
    algorithm: encoder.algorithm,
    missingBytes: encoder.missingBytes,
    vocabulary,
    get sha256() {
      return (digest ??= digestOf(vocabulary));
    },
    encode(text, options) {
      run(text, options?.special === true);
      return pieceEncoder.output.slice(0, pieceEncoder.used);
    },
    count(text, options) {
      run(text, options?.special === true);
      return pieceEncoder.used;
    },
    splitSpecial: (text) => cut(text, specialPattern),
    decode(ids, options) {
      const skip = options?.special === "skip";
      let length = 0;
      for (let i = 0; i < ids.length; i++) {
        checkId("decode", ids[i]);
        if (!skip || !specialIds.has(ids[i])) length += starts[ids[i] + 1] - starts[ids[i]];
      }
      const joined = new Uint8Array(length);
      let at = 0;
      for (let i = 0; i < ids.length; i++) {
        if (skip && specialIds.has(ids[i])) continue;
        joined.set(bytesOf(ids[i]), at);
        at += starts[ids[i] + 1] - starts[ids[i]];
      }
      return utf8Decoder.decode(addsSpace && joined[0] === 0x20 ? joined.subarray(1) : joined);
    },
    tokenBytes(id) {
      checkId("tokenBytes", id);
      return bytesOf(id);
    },
    piece(id) {
      checkId("piece", id);
      return readable(bytesOf(id));
    },
    isSpecial(id) {
      checkId("isSpecial", id);
      return specialIds.has(id);
    },
    idOf(text) {
      const literal = spelled.get(text);
      if (literal !== undefined && literalIds.has(literal)) return literal;
      const id = spelled.get(kind.spell(utf8Encoder.encode(text)));
      return id === undefined || literalIds.has(id) ? undefined : id;
    },
  };
}

function createByteLevel(
  { pieces, merges, preTokenizer, normalizer, ignoreMerges }: Vocabulary,
  idOf: ReadonlyMap<string, number>,
  literalIds: ReadonlySet<number>,
): Kind {
  const tokenBytes = unspellAll(pieces, literalIds);
  const bpe = createBpe({ idOf, merges, tokenBytes });
  return {
    tokenBytes,
    encoder: bpe,
    addsSpace: false,
    wholeIds: ignoreMerges ? [...pieces.keys()].filter((id) => !literalIds.has(id)) : bpe.liveIds,
    prepare: normalizer === undefined ? (text) => text : (text) => text.normalize(normalizer),
    scanner: preTokenizer.scanner,
    split: preTokenizer.split,
    spell,
  };
}

/** A pattern for the first of `texts` in a text, the longest where several start at one place. */
function matchAny(texts: string[]): RegExp | undefined {
  if (texts.length === 0) return undefined;
  const alternatives = texts
    .toSorted((a, b) => b.length - a.length)
    .map((text) => text.replaceAll(/[$()*+./?[\\\]^{|}]/g, "\\$&"));
  return new RegExp(alternatives.join("|"), "gu");
}

function readable(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    // Cut into whole characters and single bytes.
    let text = "";
    for (let i = 0; i < bytes.length;) {
      const width = bytes[i] < 0x80 ? 1 : bytes[i] < 0xe0 ? 2 : bytes[i] < 0xf0 ? 3 : 4;
      const decoded = utf8Decoder.decode(bytes.subarray(i, i + width));
      if (i + width <= bytes.length && !decoded.includes("\uFFFD")) {
        text += decoded;
        i += width;
      } else {
        text += `\\x${bytes[i++].toString(16).toUpperCase().padStart(2, "0")}`;
      }
    }
    return text;
  }
}

function digestOf(vocabulary: Vocabulary | SentencePieceVocabulary): string {
  const hash = createHash("sha256");
  const section = (name: string, lines: Iterable<string | number>): void => {
    hash.update(`${name}\n${JSON.stringify([...lines])}\n`);
  };
  section("veridraft tokenizer", [1]);
  section("pieces", vocabulary.pieces);
  section(
    "special",
    [...vocabulary.specialIds].toSorted((a, b) => a - b),
  );
  section(
    "user defined",
    [...vocabulary.userDefinedIds].toSorted((a, b) => a - b),
  );
  if ("merges" in vocabulary) {
    section("merges", vocabulary.merges);
    section("split", vocabulary.preTokenizer.patterns);
    section("rules", [vocabulary.normalizer ?? "", String(vocabulary.ignoreMerges)]);
  } else {
    section("scores", vocabulary.scores);
    section("rules", [String(vocabulary.addSpacePrefix)]);
  }
  return hash.digest("hex");
}
