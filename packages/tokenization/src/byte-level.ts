/**
 * The byte-level alphabet of GPT-2: every byte as one printable character, so that vocabulary files can be text.
 *
 * The bytes 33..126, 161..172 and 174..255 stand for themselves; the other 68, in order, for U+0100, U+0101 and so on ("Ġ" is a space).
 */
import { InvalidArgumentError } from "@veridraft/core-probs/errors";

const byteToChar: string[] = [];
const charToByte = new Int16Array(0x144).fill(-1);
for (let byte = 0, shifted = 0; byte < 256; byte++) {
  const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const code = printable ? byte : 256 + shifted++;
  byteToChar.push(String.fromCharCode(code));
  charToByte[code] = byte;
}

const utf8 = new TextEncoder();

/** The spelling of `bytes` in a vocabulary file: the bytes of " a" give "Ġa". */
export function spell(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byteToChar[byte];
  return text;
}

/** The character that stands for one byte. */
export function spellByte(byte: number): string {
  if (!(byte >= 0 && byte < 256)) {
    throw new InvalidArgumentError(`spellByte: byte must be in [0, 256), got ${byte}`);
  }
  return byteToChar[byte];
}

/** Bytes of all tokens, one after the other. */
export interface TokenBytes {
  readonly bytes: Uint8Array;
  /** Token `i` is `bytes[starts[i]]` up to `bytes[starts[i + 1]]`. */
  readonly starts: Int32Array;
}

/**
 * Bytes of every piece. Pieces in `literal` are plain text (control and user-defined tokens); the others are spelled in the byte-level alphabet,
 * and one that leaves the alphabet can only be text, so it is read as such.
 */
export function unspellAll(pieces: readonly string[], literal: ReadonlySet<number>): TokenBytes {
  let characters = 0;
  for (const piece of pieces) characters += piece.length;
  let bytes = new Uint8Array(3 * characters); // UTF-8 of one UTF-16 unit takes 3 bytes at most
  const starts = new Int32Array(pieces.length + 1);
  let at = 0;
  for (let id = 0; id < pieces.length; id++) {
    const piece = pieces[id];
    const start = at;
    let spelled = !literal.has(id);
    for (let i = 0; spelled && i < piece.length; i++) {
      const code = piece.charCodeAt(i);
      const byte = code < charToByte.length ? charToByte[code] : -1;
      if (byte < 0) spelled = false;
      else bytes[at++] = byte;
    }
    if (!spelled) at = start + utf8.encodeInto(piece, bytes.subarray(start)).written;
    starts[id + 1] = at;
  }
  bytes = bytes.slice(0, at);
  return { bytes, starts };
}
