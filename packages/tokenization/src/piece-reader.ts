/**
 * Reads the pieces of a text a chunk at a time, so that scratch memory stays small and a caller can stop early.
 *
 * The last pieces of a chunk may go on in the next one, so they are read again with it. Four are enough: a run of white space is at most three
 * pieces, and no pattern looks farther ahead than to the end of the piece after the next.
 */
import { piecePadding } from "./piece-table.ts";
import type { Scanner } from "./scanners.ts";

/** UTF-16 units at a time: their bytes and ids fit a second-level cache. */
const chunkLength = 16_384;
const readAgain = 4;

const utf8Encoder = new TextEncoder();

/** Holds one chunk as UTF-8 and the ends of its pieces. */
export class PieceReader {
  bytes = new Uint8Array(1024);
  view = new DataView(this.bytes.buffer);
  ends = new Int32Array(1024);

  /** Calls `visit` with the count of the pieces that `bytes` begins with, until the text is read or `visit` returns false. */
  read(text: string, scanner: Scanner, visit: (count: number) => boolean): void {
    let room = chunkLength;
    for (let from = 0; from < text.length;) {
      let to = Math.min(from + room, text.length);
      if (to < text.length && isHighSurrogate(text.charCodeAt(to - 1))) to--;
      const length = this.load(text.slice(from, to));
      const count = scanner(this.bytes, 0, length, this.ends);
      const certain = to === text.length ? count : count - readAgain;
      if (certain <= 0) {
        room *= 2;
        continue;
      }
      if (!visit(certain)) return;
      from = to - unitsIn(this.bytes, this.ends[certain - 1], length);
      room = chunkLength;
    }
  }

  /** Takes a text as one piece. */
  readWhole(text: string): void {
    const length = this.load(text); // which may replace `ends`
    this.ends[0] = length;
  }

  private load(text: string): number {
    const room = 3 * text.length + piecePadding;
    if (room > this.bytes.length) {
      this.bytes = new Uint8Array(2 * room);
      this.view = new DataView(this.bytes.buffer);
      this.ends = new Int32Array(2 * room);
    }
    return utf8Encoder.encodeInto(text, this.bytes).written;
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

/** UTF-16 units of `bytes[start, end)`. */
function unitsIn(bytes: Uint8Array, start: number, end: number): number {
  let units = 0;
  for (let i = start; i < end; i++) {
    if ((bytes[i] & 0xc0) !== 0x80) units += bytes[i] < 0xf0 ? 1 : 2;
  }
  return units;
}
