/** A map from two non-negative integers to one, as an open-addressing hash table in a single Int32Array. */
export class PairTable {
  /** [capacity, 3]: first, second, value; first = -1 where empty. */
  slots: Int32Array;
  private mask: number;
  private size = 0;

  /** Starts with room for `entries` pairs and grows as needed. */
  constructor(entries: number) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * Math.max(entries, 8)));
    this.slots = new Int32Array(3 * capacity).fill(-1);
    this.mask = capacity - 1;
  }

  /** The table that has these slots, which it shares; nothing can be added to it. */
  static of(slots: Int32Array): PairTable {
    const table = new PairTable(0);
    table.slots = slots;
    table.mask = slots.length / 3 - 1;
    return table;
  }

  /** The value of (first, second), or -1. */
  get(first: number, second: number): number {
    const { slots } = this;
    const at = this.find(first, second);
    return slots[at] < 0 ? -1 : slots[at + 2];
  }

  /** Adds (first, second) -> value unless the pair is there; returns the value that holds. */
  add(first: number, second: number, value: number): number {
    const at = this.find(first, second);
    if (this.slots[at] >= 0) return this.slots[at + 2];
    this.slots[at] = first;
    this.slots[at + 1] = second;
    this.slots[at + 2] = value;
    if (2 * ++this.size > this.mask) this.grow();
    return value;
  }

  /** Index of the pair's slot, or of the empty slot where it belongs; at least half of the slots are empty. */
  private find(first: number, second: number): number {
    const { slots, mask } = this;
    let slot = hash(first, second) & mask;
    for (;;) {
      const at = 3 * slot;
      const key = slots[at];
      if (key === -1 || (key === first && slots[at + 1] === second)) return at;
      slot = (slot + 1) & mask;
    }
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(2 * old.length).fill(-1);
    this.mask = 2 * this.mask + 1;
    for (let from = 0; from < old.length; from += 3) {
      if (old[from] >= 0)
        this.slots.set(old.subarray(from, from + 3), this.find(old[from], old[from + 1]));
    }
  }
}

function hash(first: number, second: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second + 1, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
