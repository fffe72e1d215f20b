/** Ids of pieces: tokens that are a whole piece by one look-up, pieces met before by a second, and byte pair encoding for the rest. */
import type { Encoder } from "./bpe.ts";
import type { TokenBytes } from "./byte-level.ts";
import type { PieceReader } from "./piece-reader.ts";
import { piecePadding, PieceTable } from "./piece-table.ts";

/** Pieces of more bytes are not kept: they seldom come back. */
const longestKept = 64;
/** All kept pieces are forgotten when there are this many, about 4 MB. */
const mostKept = 65_536;

/** The tokens that a piece of the same bytes becomes. */
export function wholePieces(ids: Iterable<number>, { bytes, starts }: TokenBytes): PieceTable {
  const padded = new Uint8Array(bytes.length + piecePadding);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  const list = [...ids];
  const table = new PieceTable(list.length);
  for (const id of list) {
    const length = starts[id + 1] - starts[id];
    if (length > 0 && table.find(view, starts[id], length) < 0)
      table.add(view, starts[id], length, id);
  }
  return table;
}

/** Encodes pieces into one growing list of ids. */
export class PieceEncoder {
  /** The ids so far are the first `used`. */
  output = new Int32Array(1024);
  used = 0;
  private readonly encoder: Encoder;
  private readonly whole: PieceTable;
  private readonly kept = new PieceTable(1024);
  /** Of each kept piece: the count of its ids, then the ids. */
  private keptIds = new Int32Array(4096);
  private keptUsed = 0;

  constructor(encoder: Encoder, whole: PieceTable) {
    this.encoder = encoder;
    this.whole = whole;
  }

  /** Appends one id. */
  push(id: number): void {
    this.reserve(1);
    this.output[this.used++] = id;
  }

  /** Appends the ids of the first `count` pieces of what was read. */
  encode({ bytes, view, ends }: PieceReader, count: number): void {
    const { whole } = this;
    let start = 0;
    this.reserve(count);
    let { output, used } = this;
    for (let i = 0; i < count; i++) {
      const end = ends[i];
      const id = whole.find(view, start, end - start);
      if (id >= 0) output[used++] = id;
      else {
        this.used = used;
        this.encodeParts(bytes, view, start, end);
        this.reserve(count - i);
        ({ output, used } = this);
      }
      start = end;
    }
    this.used = used;
  }

  private encodeParts(bytes: Uint8Array, view: DataView, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    const { kept, keptIds, output } = this;
    const known = length <= longestKept ? kept.find(view, start, length) : -1;
    if (known >= 0) {
      for (let i = 1; i <= keptIds[known]; i++) output[this.used++] = keptIds[known + i];
      return;
    }
    const from = this.used;
    this.used = this.encoder.encode(bytes, start, end, output, from);
    if (length <= longestKept) this.keep(view, start, length, from);
  }

  private keep(view: DataView, start: number, length: number, from: number): void {
    if (this.kept.size >= mostKept) {
      this.kept.clear();
      this.keptUsed = 0;
    }
    const count = this.used - from;
    const at = this.keptUsed;
    if (at + 1 + count > this.keptIds.length) {
      const grown = new Int32Array(2 * (at + 1 + count));
      grown.set(this.keptIds);
      this.keptIds = grown;
    }
    this.kept.add(view, start, length, at);
    this.keptIds[at] = count;
    this.keptIds.set(this.output.subarray(from, this.used), at + 1);
    this.keptUsed = at + 1 + count;
  }

  private reserve(ids: number): void {
    if (this.used + ids <= this.output.length) return;
    const grown = new Int32Array(2 * (this.used + ids));
    grown.set(this.output.subarray(0, this.used));
    this.output = grown;
  }
}
