/** A map from two non-negative integers to one, as an open-addressing hash table in a single Int32Array. */
export class PairTable {
  private readonly slots: Int32Array; // [capacity, 3]: first, second, value; first = -1 where empty
  private readonly mask: number;

  /** Room for `entries` pairs at a load of one half or less. */
  constructor(entries: number) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * Math.max(entries, 8)));
    this.slots = new Int32Array(3 * capacity).fill(-1);
    this.mask = capacity - 1;
  }

  /** The value of (first, second), or -1. */
  get(first: number, second: number): number {
    const { slots, mask } = this;
    let slot = hash(first, second) & mask;
    for (;;) {
      const at = 3 * slot;
      const key = slots[at];
      if (key === first && slots[at + 1] === second) return slots[at + 2];
      if (key === -1) return -1;
      slot = (slot + 1) & mask;
    }
  }

  /** Adds (first, second) -> value unless the pair is there; returns the value that holds. */
  add(first: number, second: number, value: number): number {
    const { slots, mask } = this;
    let slot = hash(first, second) & mask;
    for (;;) {
      const at = 3 * slot;
      const key = slots[at];
      if (key === first && slots[at + 1] === second) return slots[at + 2];
      if (key === -1) {
        slots[at] = first;
        slots[at + 1] = second;
        slots[at + 2] = value;
        return value;
      }
      slot = (slot + 1) & mask;
    }
  }
}

function hash(first: number, second: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second + 1, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
