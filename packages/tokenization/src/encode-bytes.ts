/** Ids of bytes that need not be text, and back. */
import { InvalidArgumentError, UnsupportedError } from "@veridraft/core-probs/errors";
import { joinIds } from "./join-ids.ts";
import { type Kind, kindOf } from "./kind.ts";
import type { Tokenizer } from "./tokenizer.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Ids of bytes: what is UTF-8 as `encode` has it, any other byte as the token of that byte. {@link decodeBytes} gives the bytes back, but for what `encode` changes in a text:
 * a normalizer's work, and "▁", which is a space to SentencePiece.
 *
 * @throws InvalidArgumentError where a byte has no token, as 21 of SmolLM2's have none; UnsupportedError for vocabularies of other libraries.
 * @example decodeBytes(tokenizer, encodeBytes(tokenizer, Uint8Array.of(104, 105, 255))) // 104, 105, 255
 */
export function encodeBytes(tokenizer: Tokenizer, bytes: Uint8Array): Int32Array {
  const kind = byteKind("encodeBytes", tokenizer);
  const missing = new Set(tokenizer.missingBytes);
  const lacking = missing.size > 0 ? bytes.findIndex((byte) => missing.has(byte)) : -1;
  if (lacking >= 0) {
    throw new InvalidArgumentError(
      `encodeBytes: byte ${bytes[lacking]} at ${lacking} has no token in this vocabulary; tokenizer.missingBytes lists all such`,
    );
  }
  const parts: Int32Array[] = [];
  for (let at = 0; at < bytes.length;) {
    let end = at;
    for (let width; (width = characterAt(bytes, end)) > 0;) end += width;
    if (end === at) parts.push(Int32Array.of(byteId(kind, bytes[at++])));
    else {
      // Only the first text has SentencePiece's space before it.
      parts.push(
        at > 0 && kind.addsSpace
          ? encodeWhole(kind, bytes.subarray(at, end))
          : tokenizer.encode(decoder.decode(bytes.subarray(at, end))),
      );
      at = end;
    }
  }
  return joinIds(parts);
}

/** The bytes of ids, without the space that SentencePiece puts before a text. @throws InvalidArgumentError for an id outside of the vocabulary; as {@link encodeBytes}. */
export function decodeBytes(tokenizer: Tokenizer, ids: ArrayLike<number>): Uint8Array {
  const { addsSpace } = byteKind("decodeBytes", tokenizer);
  const tokens = Array.from(ids, (id) => tokenizer.tokenBytes(id));
  const bytes = new Uint8Array(tokens.reduce((sum, token) => sum + token.length, 0));
  let at = 0;
  for (const token of tokens) {
    bytes.set(token, at);
    at += token.length;
  }
  return addsSpace && bytes[0] === 0x20 ? bytes.subarray(1) : bytes;
}

function byteKind(caller: string, tokenizer: Tokenizer): Kind {
  const kind = kindOf(caller, tokenizer);
  if (kind.decode === undefined) return kind;
  throw new UnsupportedError(
    `${caller}: this vocabulary is read by @huggingface/tokenizers, which knows no bytes; take one of byte-level BPE or SentencePiece`,
  );
}

function encodeWhole({ encoder }: Kind, bytes: Uint8Array): Int32Array {
  const out = new Int32Array(bytes.length);
  return out.subarray(0, encoder.encode(bytes, 0, bytes.length, out, 0));
}

/** Of each tokenizer met: byte -> id. */
const byteIds = new WeakMap<Kind, Map<number, number>>();

function byteId(kind: Kind, byte: number): number {
  let ids = byteIds.get(kind);
  if (!ids) {
    const { bytes, starts } = kind.tokenBytes;
    ids = new Map();
    for (let id = 0; id + 1 < starts.length; id++) {
      if (starts[id + 1] - starts[id] === 1) ids.set(bytes[starts[id]], id);
    }
    byteIds.set(kind, ids);
  }
  return ids.get(byte) as number;
}

/** Bytes of the character that begins at a place; 0 where none does (Unicode 16, table 3-7). */
function characterAt(bytes: Uint8Array, at: number): number {
  const [first, second] = [bytes[at], bytes[at + 1]];
  if (first < 0x80) return 1;
  const width = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (!(first >= 0xc2 && first <= 0xf4 && second >= low && second <= high)) return 0;
  for (let i = 2; i < width; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
  return width;
}
