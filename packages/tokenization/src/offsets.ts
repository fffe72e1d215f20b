/**
 * Where tokens are in a text, in UTF-16 units and in bytes of UTF-8.
 *
 * Tokens are laid along the text, byte by byte, so nothing is searched. A token that holds part of a character spans all of it in UTF-16.
 *
 * Does not: texts that the tokenizer's normalizer changes, and tokenizers that delegate.
 */
import { UnsupportedError } from "@veridraft/core-probs";
import { kindOf } from "./kind.ts";
import type { EncodeOptions, Tokenizer } from "./tokenizer.ts";

/** Ids and where they are: token i is `text.slice(starts[i], ends[i])`, and the bytes from `byteStarts[i]` to `byteEnds[i]`. */
export interface Encoding {
  readonly ids: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly byteStarts: Int32Array;
  readonly byteEnds: Int32Array;
}

const utf8Encoder = new TextEncoder();
const blank = 0x20;

/**
 * `tokenizer.encode(text, options)` with the place of each token. Spans of bytes follow one another without gaps, but for bytes that the vocabulary
 * lacks. The space that SentencePiece puts before a text is at no place: its token begins where the text does.
 *
 * @throws UnsupportedError where the normalizer changes the text, and for tokenizers that delegate.
 */
export function encodeWithOffsets(
  tokenizer: Tokenizer,
  text: string,
  options?: EncodeOptions,
): Encoding {
  const kind = kindOf("encodeWithOffsets", tokenizer);
  if (kind.decode !== undefined) {
    throw new UnsupportedError(
      "encodeWithOffsets: a tokenizer that delegates to @huggingface/tokenizers has no offsets",
    );
  }
  const isByteLevel = kind.bpe !== undefined;
  if (isByteLevel && kind.prepare(text) !== text) {
    throw new UnsupportedError(
      "encodeWithOffsets: the tokenizer's normalizer changes this text; normalize it first (text.normalize()) and take offsets in the result",
    );
  }
  const ids = tokenizer.encode(text, options);
  const bytes = utf8Encoder.encode(text);
  const [byteStarts, byteEnds] = [new Int32Array(ids.length), new Int32Array(ids.length)];
  const missing = new Uint8Array(256);
  for (const byte of tokenizer.missingBytes) missing[byte] = 1;
  const { vocabulary } = tokenizer;
  const isLiteral = (id: number): boolean =>
    vocabulary.specialIds.has(id) || vocabulary.userDefinedIds.has(id);
  let at = 0;
  let opensPart = true;
  for (let i = 0; i < ids.length; i++) {
    const literal = isLiteral(ids[i]);
    const token = tokenizer.tokenBytes(ids[i]);
    if (!literal) while (missing[bytes[at]] === 1) at++;
    byteStarts[i] = at;
    if (literal || isByteLevel) at += token.length;
    else {
      for (const [index, byte] of token.entries()) {
        // The space before a text is not in it, and "▁" counts as one.
        if (byte !== blank) at++;
        else if (!(index === 0 && opensPart && kind.addsSpace)) at += bytes[at] === blank ? 1 : 3;
      }
    }
    byteEnds[i] = at;
    opensPart = literal;
  }
  const units = unitsOf(bytes);
  return {
    ids,
    starts: byteStarts.map((start) => units.starts[start]),
    ends: byteEnds.map((end, i) => (end > byteStarts[i] ? units.ends[end - 1] : units.starts[end])),
    byteStarts,
    byteEnds,
  };
}

/** Of each byte, where its character begins and ends in UTF-16. */
function unitsOf(bytes: Uint8Array): { starts: Int32Array; ends: Int32Array } {
  const starts = new Int32Array(bytes.length + 1);
  const ends = new Int32Array(bytes.length);
  let unit = 0;
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i];
    const width = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const after = unit + (width === 4 ? 2 : 1);
    starts.fill(unit, i, i + width);
    ends.fill(after, i, i + width);
    unit = after;
    i += width;
  }
  starts[bytes.length] = unit;
  return { starts, ends };
}

/**
 * Cuts a text where at most `tokens` tokens are before the cut, and no character is cut through. The first part alone has at most as many tokens.
 *
 * @throws UnsupportedError as {@link encodeWithOffsets}.
 */
export function splitAtTokens(
  tokenizer: Tokenizer,
  text: string,
  tokens: number,
): [head: string, tail: string] {
  const { ids, starts } = encodeWithOffsets(tokenizer, text);
  let cut = Math.min(Math.max(tokens, 0), ids.length);
  if (cut === ids.length) return [text, ""];
  // A head may end in another way than it goes on, so it is counted.
  while (cut > 0 && tokenizer.count(text.slice(0, starts[cut]), { limit: tokens }) > tokens) cut--;
  return [text.slice(0, starts[cut]), text.slice(starts[cut])];
}
