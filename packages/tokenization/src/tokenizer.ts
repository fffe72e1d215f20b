import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import type { BpeAlgorithm } from "./bpe.ts";
import { createByteLevel, type Splitting } from "./byte-level-kind.ts";
import { type Kind, kinds } from "./kind.ts";
import { PieceEncoder } from "./piece-encoder.ts";
import { PieceReader } from "./piece-reader.ts";
import { createSentencePiece } from "./sentence-piece.ts";
import type { AnyVocabulary, SentencePieceVocabulary, Vocabulary } from "./vocabulary.ts";

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

/** How {@link Tokenizer.count} counts. */
export interface CountOptions extends EncodeOptions {
  /** Stop above this many ids: the time then depends on the limit, not on the text. */
  readonly limit?: number;
}

/** How {@link Tokenizer.decode} writes control tokens. */
export interface DecodeOptions {
  /** @default "keep" */
  readonly special?: "keep" | "skip";
}

/** What {@link Tokenizer.explain} says. */
export interface Explanation {
  readonly encoder: BpeAlgorithm;
  /** Why, as a sentence. */
  readonly reason: string;
  /** "scanner" for the split patterns that are written out by hand, "regex" for others, "none" where a text is one piece. */
  readonly split: "scanner" | "regex" | "none";
  /** Tokens that merges are said to make, but that no text produces. */
  readonly deadIds: readonly number[];
  /** Bytes without a token. */
  readonly missingBytes: readonly number[];
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
  /** "linear"; "heap" where the merges are not in training order, and for SentencePiece; or "delegated" to `@huggingface/tokenizers`. */
  readonly algorithm: BpeAlgorithm;
  /** Bytes that no token has: text that holds them loses them in `encode`. Empty for most models; SmolLM2 lacks 21 (control characters and bytes that UTF-8 seldom or never uses). */
  readonly missingBytes: Uint8Array;
  readonly vocabulary: AnyVocabulary;

  /** Ids of `text`. Lone surrogates count as U+FFFD. No BOS or EOS is added. */
  encode(text: string, options?: EncodeOptions): Int32Array;
  /** `encode(text, options).length`, or `limit` + 1 where that is more than `limit`. */
  count(text: string, options?: CountOptions): number;
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
  /** Which encoder and which split this vocabulary has, and why. */
  explain(): Explanation;
  /** Bytes of one token: a view, not to be written to. */
  tokenBytes(id: number): Uint8Array;
  /** Text of one token for people to read; a byte that is not part of a whole character is shown as \xE2. */
  piece(id: number): string;
  /** Whether `id` is a control token. */
  isSpecial(id: number): boolean;
  /** The token whose text is exactly `text` (" the", "<|im_end|>"), if there is one. */
  idOf(text: string): number | undefined;
}

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
  const literalIds = new Set([...vocabulary.specialIds, ...vocabulary.userDefinedIds]);
  const kind =
    "merges" in vocabulary
      ? createByteLevel(vocabulary, literalIds)
      : createSentencePiece(vocabulary, literalIds);
  return tokenizerOf(kind, vocabulary, () => vocabulary);
}

/** What a tokenizer knows of its tokens besides their bytes. */
export type TokenRoles = Omit<Vocabulary, "pieces" | "merges" | keyof Splitting>;

/** A tokenizer from what was built of a vocabulary, which is only asked for where it is wanted. */
export function tokenizerOf(
  kind: Kind,
  { specialIds, userDefinedIds, bosId, eosId, endIds, addBos }: TokenRoles,
  readVocabulary: () => AnyVocabulary,
): Tokenizer {
  const { encoder, addsSpace } = kind;
  const { bytes: allBytes, starts } = kind.tokenBytes;
  const vocabSize = starts.length - 1;
  const literals = new Map<string, number>();
  for (const id of [...specialIds, ...userDefinedIds].toSorted((a, b) => a - b)) {
    literals.set(textOf(id), id);
  }
  const userPattern = matchAny([...userDefinedIds].map(textOf));
  const specialPattern = matchAny([...literals.keys()]);
  const pieceEncoder = new PieceEncoder(encoder, kind.whole);
  const reader = new PieceReader();
  let vocabulary: AnyVocabulary | undefined;
  let normalIds: Map<string, number> | undefined; // spelling -> id
  let digest: string | undefined;

  function vocabularyOnce(): AnyVocabulary {
    return (vocabulary ??= readVocabulary());
  }

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

  function textOf(id: number): string {
    return utf8Decoder.decode(bytesOf(id));
  }

  /** Appends the ids of a text without control tokens; stops soon after `limit` ids. */
  function encodeText(raw: string, limit: number): void {
    const text = kind.prepare(raw);
    if (kind.scanner === undefined) {
      kind.split(text, (piece) => {
        reader.readWhole(piece);
        pieceEncoder.encode(reader, 1);
      });
      return;
    }
    reader.read(text, kind.scanner, (count) => {
      pieceEncoder.encode(reader, count);
      return pieceEncoder.used <= limit;
    });
  }

  function cut(text: string, pattern: RegExp | undefined): (number | string)[] {
    if (pattern === undefined) return text === "" ? [] : [text];
    const parts: (number | string)[] = [];
    let start = 0;
    for (const match of text.matchAll(pattern)) {
      if (match.index > start) parts.push(text.slice(start, match.index));
      parts.push(literals.get(match[0]) as number);
      start = match.index + match[0].length;
    }
    if (start < text.length) parts.push(text.slice(start));
    return parts;
  }

  /** Fills the list of ids from its start, up to a little more than `limit` ids. */
  function run(text: string, special: boolean, limit: number): void {
    pieceEncoder.used = 0;
    const pattern = special ? specialPattern : userPattern;
    if (pattern === undefined && kind.scanner !== undefined) return encodeText(text, limit);
    for (const part of cut(text.replace(loneSurrogate, "\uFFFD"), pattern)) {
      if (typeof part === "number") pieceEncoder.push(part);
      else encodeText(part, limit);
      if (pieceEncoder.used > limit) return;
    }
  }

  const tokenizer: Tokenizer = {
    vocabSize,
    bosId,
    eosId,
    endIds,
    addBos,
    algorithm: encoder.algorithm,
    missingBytes: encoder.missingBytes,
    get vocabulary() {
      return vocabularyOnce();
    },
    get sha256() {
      return (digest ??= digestOf(vocabularyOnce()));
    },
    encode(text, options) {
      run(text, options?.special === true, Infinity);
      return pieceEncoder.output.slice(0, pieceEncoder.used);
    },
    count(text, options) {
      const limit = options?.limit ?? Infinity;
      run(text, options?.special === true, limit);
      return Math.min(pieceEncoder.used, limit + 1);
    },
    splitSpecial: (text) => cut(text, specialPattern),
    decode(ids, options) {
      const skip = options?.special === "skip";
      let length = 0;
      for (let i = 0; i < ids.length; i++) {
        checkId("decode", ids[i]);
        if (!skip || !specialIds.has(ids[i])) length += starts[ids[i] + 1] - starts[ids[i]];
      }
      if (kind.decode !== undefined) return kind.decode(Array.from(ids), skip);
      const joined = new Uint8Array(length);
      let at = 0;
      for (let i = 0; i < ids.length; i++) {
        if (skip && specialIds.has(ids[i])) continue;
        joined.set(bytesOf(ids[i]), at);
        at += starts[ids[i] + 1] - starts[ids[i]];
      }
      return utf8Decoder.decode(addsSpace && joined[0] === 0x20 ? joined.subarray(1) : joined);
    },
    explain: () => ({
      encoder: encoder.algorithm,
      reason: encoder.reason,
      split: kind.scanner ? "scanner" : kind.bpe ? "regex" : "none",
      deadIds: kind.bpe?.deadIds ?? [],
      missingBytes: [...encoder.missingBytes],
    }),
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
      const literal = literals.get(text);
      if (literal !== undefined) return literal;
      if (normalIds === undefined) {
        const { pieces } = vocabularyOnce();
        normalIds = new Map();
        for (const [id, piece] of pieces.entries()) {
          if (piece !== "" && !specialIds.has(id) && !userDefinedIds.has(id))
            normalIds.set(piece, id);
        }
      }
      return normalIds.get(kind.spell(utf8Encoder.encode(text)));
    },
  };
  kinds.set(tokenizer, {
    ...kind,
    cut: (text, special) => cut(text, special ? specialPattern : userPattern),
  });
  return tokenizer;
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

function digestOf(vocabulary: AnyVocabulary): string {
  // Loaded where a digest is asked for: the package is there sooner without.
  const hash = process.getBuiltinModule("node:crypto").createHash("sha256");
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
  } else if ("json" in vocabulary) {
    section("json", [JSON.stringify(vocabulary.json)]);
  } else {
    section("scores", vocabulary.scores);
    section("rules", [String(vocabulary.addSpacePrefix)]);
  }
  return hash.digest("hex");
}
