/**
 * A map from pieces, as bytes, to non-negative integers: open addressing with the bytes of short pieces as the key itself, so that most look-ups touch
 * one cache line and compare no bytes.
 */

/** Bytes that must follow a piece in the buffer in which it is looked up, because whole words are read. */
export const piecePadding = 8;

/** Pieces up to this length are keys by themselves. */
const shortest = 8;

/** The arrays of a table. */
export interface PieceTableParts {
  readonly slots: Int32Array;
  readonly kept: Uint8Array;
}

/** Four words a slot: [first word, second word, length, value]; of longer pieces: [hash, where the bytes are kept, length, value]. Length 0 is empty. */
export class PieceTable {
  private slots: Int32Array;
  private mask: number;
  private entries = 0;
  private kept: Uint8Array;
  private keptView: DataView;
  private keptBytes = 0;

  /** The table that `save` took apart; nothing can be added to it. */
  static of({ slots, kept }: PieceTableParts): PieceTable {
    const table = new PieceTable(0);
    table.slots = slots;
    table.mask = slots.length / 4 - 1;
    table.kept = kept;
    table.keptView = new DataView(kept.buffer, kept.byteOffset, kept.byteLength);
    return table;
  }

  /** Starts with room for `entries` pieces and grows as needed. */
  constructor(entries: number) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * Math.max(entries, 8)));
    this.slots = new Int32Array(4 * capacity);
    this.mask = capacity - 1;
    this.kept = new Uint8Array(1024);
    this.keptView = new DataView(this.kept.buffer);
  }

  get size(): number {
    return this.entries;
  }

  /** The value of the piece at `start`, or -1. */
  find(view: DataView, start: number, length: number): number {
    const { slots, mask } = this;
    if (length > shortest) return this.findLong(view, start, length);
    const first = firstWord(view, start, length);
    const second = secondWord(view, start, length);
    let slot = mix(first, second, length) & mask;
    for (;;) {
      const at = 4 * slot;
      const found = slots[at + 2];
      if (found === length && slots[at] === first && slots[at + 1] === second) return slots[at + 3];
      if (found === 0) return -1;
      slot = (slot + 1) & mask;
    }
  }

  /** Adds a piece that is not there, of one byte or more. */
  add(view: DataView, start: number, length: number, value: number): void {
    if (2 * ++this.entries > this.mask) this.grow();
    const { slots } = this;
    const short = length <= shortest;
    const first = short ? firstWord(view, start, length) : hashBytes(view, start, length);
    const second = short ? secondWord(view, start, length) : this.keep(view, start, length);
    const at = this.empty(first, short ? second : 0, length);
    slots[at] = first;
    slots[at + 1] = second;
    slots[at + 2] = length;
    slots[at + 3] = value;
  }

  /** What the table holds, not copied. */
  save(): PieceTableParts {
    return { slots: this.slots, kept: this.kept.subarray(0, this.keptBytes) };
  }

  /** Forgets all pieces. */
  clear(): void {
    this.slots.fill(0);
    this.entries = 0;
    this.keptBytes = 0;
  }

  private findLong(view: DataView, start: number, length: number): number {
    const { slots, mask } = this;
    const hash = hashBytes(view, start, length);
    let slot = mix(hash, 0, length) & mask;
    for (;;) {
      const at = 4 * slot;
      const found = slots[at + 2];
      if (found === 0) return -1;
      if (found === length && slots[at] === hash && this.isKept(view, start, length, slots[at + 1]))
        return slots[at + 3];
      slot = (slot + 1) & mask;
    }
  }

  private isKept(view: DataView, start: number, length: number, at: number): boolean {
    const { keptView } = this;
    let i = 0;
    for (; i + 4 <= length; i += 4) {
      if (keptView.getInt32(at + i, true) !== view.getInt32(start + i, true)) return false;
    }
    for (; i < length; i++)
      if (keptView.getUint8(at + i) !== view.getUint8(start + i)) return false;
    return true;
  }

  private keep(view: DataView, start: number, length: number): number {
    const at = this.keptBytes;
    this.keptBytes += length;
    if (this.keptBytes > this.kept.length) {
      const grown = new Uint8Array(2 * this.keptBytes);
      grown.set(this.kept);
      this.kept = grown;
      this.keptView = new DataView(grown.buffer);
    }
    for (let i = 0; i < length; i++) this.kept[at + i] = view.getUint8(start + i);
    return at;
  }

  private empty(first: number, second: number, length: number): number {
    const { slots, mask } = this;
    let slot = mix(first, second, length) & mask;
    while (slots[4 * slot + 2] !== 0) slot = (slot + 1) & mask;
    return 4 * slot;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(2 * old.length);
    this.mask = 2 * this.mask + 1;
    for (let from = 0; from < old.length; from += 4) {
      const length = old[from + 2];
      if (length === 0) continue;
      const at = this.empty(old[from], length <= shortest ? old[from + 1] : 0, length);
      for (let i = 0; i < 4; i++) this.slots[at + i] = old[from + i];
    }
  }
}

function firstWord(view: DataView, start: number, length: number): number {
  const word = view.getInt32(start, true);
  return length >= 4 ? word : word & ((1 << (8 * length)) - 1);
}

function secondWord(view: DataView, start: number, length: number): number {
  if (length <= 4) return 0;
  const word = view.getInt32(start + 4, true);
  return length === 8 ? word : word & ((1 << (8 * (length - 4))) - 1);
}

function mix(first: number, second: number, length: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second + length, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

function hashBytes(view: DataView, start: number, length: number): number {
  let hash = length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    hash = Math.imul(hash ^ view.getInt32(start + i, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  if (i < length) {
    hash = Math.imul(hash ^ firstWord(view, start + i, length - i), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}
