/**
 * Where tokens are in a text, in UTF-16 units and in bytes of UTF-8.
 *
 * Tokens are laid along the text, byte by byte, so nothing is searched. A token that holds part of a character spans all of it in UTF-16. Where the
 * normalizer changes a character with its marks, a token that holds part of the result spans all of what it came from.
 *
 * Does not: tokenizers that delegate.
 */
import { UnsupportedError } from "@veridraft/core-probs/errors";
import { kindOf } from "./kind.ts";
import { type Span, spansOf } from "./normal-spans.ts";
import type { EncodeOptions, Tokenizer } from "./tokenizer.ts";

/** Ids and where they come from: token i from `text.slice(starts[i], ends[i])`, and from the bytes from `byteStarts[i]` to `byteEnds[i]`. */
export interface Encoding {
  readonly ids: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly byteStarts: Int32Array;
  readonly byteEnds: Int32Array;
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const blank = 0x20;

/**
 * `tokenizer.encode(text, options)` with the place of each token. Spans of bytes follow one another without gaps, but for bytes that the vocabulary
 * lacks; they overlap only in what the normalizer changes. The space that SentencePiece puts before a text is at no place: its token begins where the
 * text does.
 *
 * @throws UnsupportedError for tokenizers that delegate.
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
  const ids = tokenizer.encode(text, options);
  const spansOfPart = (part: number | string): Span[] => {
    if (typeof part === "string") return spansOf(part, kind.prepare);
    const literal = utf8Decoder.decode(tokenizer.tokenBytes(part));
    return [[literal, literal]];
  };
  const { bytes, places } = lay(
    isByteLevel ? kind.cut(text, options?.special === true).flatMap(spansOfPart) : [[text, text]],
  );
  const [from, to] = [new Int32Array(ids.length), new Int32Array(ids.length)]; // in `bytes`
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
    from[i] = at;
    if (literal || isByteLevel) at += token.length;
    else {
      for (const [index, byte] of token.entries()) {
        // The space before a text is not in it, and "▁" counts as one.
        if (byte !== blank) at++;
        else if (!(index === 0 && opensPart && kind.addsSpace)) at += bytes[at] === blank ? 1 : 3;
      }
    }
    to[i] = at;
    opensPart = literal;
  }
  const begin = (of: Int32Array): Int32Array => from.map((start) => of[start]);
  const end = (of: Int32Array, starts: Int32Array): Int32Array =>
    to.map((stop, i) => (stop > from[i] ? of[stop - 1] : starts[stop]));
  return {
    ids,
    starts: begin(places.starts),
    ends: end(places.ends, places.starts),
    byteStarts: begin(places.byteStarts),
    byteEnds: end(places.byteEnds, places.byteStarts),
  };
}

/** Of each byte that is encoded, where that which it comes from begins and ends in the text; the starts have the end of the text, too. */
type Places = Omit<Encoding, "ids">;

/** The bytes that are encoded, and where they come from. */
function lay(spans: readonly Span[]): { readonly bytes: Uint8Array; readonly places: Places } {
  const bytes = utf8Encoder.encode(spans.map(([, encoded]) => encoded).join(""));
  const places = {
    starts: new Int32Array(bytes.length + 1),
    ends: new Int32Array(bytes.length),
    byteStarts: new Int32Array(bytes.length + 1),
    byteEnds: new Int32Array(bytes.length),
  };
  const { starts, ends, byteStarts, byteEnds } = places;
  let at = 0; // in `bytes`
  let unit = 0;
  let byte = 0;
  for (const [given, encoded] of spans) {
    const stop = at + Buffer.byteLength(encoded);
    if (given !== encoded) {
      const length = Buffer.byteLength(given);
      starts.fill(unit, at, stop);
      ends.fill(unit + given.length, at, stop);
      byteStarts.fill(byte, at, stop);
      byteEnds.fill(byte + length, at, stop);
      [at, unit, byte] = [stop, unit + given.length, byte + length];
      continue;
    }
    while (at < stop) {
      const lead = bytes[at];
      const width = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      const units = width === 4 ? 2 : 1;
      for (let i = 0; i < width; i++, at++) {
        starts[at] = unit;
        ends[at] = unit + units;
        byteStarts[at] = byte++;
        byteEnds[at] = byte;
      }
      unit += units;
    }
  }
  starts[bytes.length] = unit;
  byteStarts[bytes.length] = byte;
  return { bytes, places };
}

/**
 * Cuts a text where at most `tokens` tokens are before the cut, and no character is cut through. The first part alone has at most as many tokens. The work
 * depends on `tokens`, not on the text, so that cutting a long text into parts takes time in proportion to its length.
 *
 * @throws UnsupportedError as {@link encodeWithOffsets}.
 */
export function splitAtTokens(
  tokenizer: Tokenizer,
  text: string,
  tokens: number,
): [head: string, tail: string] {
  const wanted = Math.max(tokens, 0);
  // What is near the end of a beginning may be encoded in another way where it goes on, so it is taken twice as long.
  const { ids, starts } = encodeBeginning(tokenizer, text, 2 * wanted + 32);
  if (ids.length <= wanted) return [text, ""];
  let cut = wanted;
  // A head may end in another way than it goes on, so it is counted.
  while (cut > 0 && tokenizer.count(text.slice(0, starts[cut]), { limit: wanted }) > wanted) cut--;
  return [text.slice(0, starts[cut]), text.slice(starts[cut])];
}

/** A beginning of a text that has `least` tokens or more, or all of it. */
function encodeBeginning(tokenizer: Tokenizer, text: string, least: number): Encoding {
  for (let length = 8 * least; length < text.length; length *= 2) {
    const splitsPair = (text.charCodeAt(length) & 0xfc00) === 0xdc00;
    const encoding = encodeWithOffsets(tokenizer, text.slice(0, splitsPair ? length - 1 : length));
    if (encoding.ids.length >= least) return encoding;
  }
  return encodeWithOffsets(tokenizer, text);
}
