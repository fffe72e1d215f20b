/**
 * Finds the number of a pair of integers: open addressing over the numbers alone, one word each, since the pairs themselves stand in arrays that the
 * caller has anyway.
 */
export class PairIndex {
  /** A number + 1 each, 0 where empty. */
  slots: Int32Array;
  private readonly firsts: Int32Array;
  private readonly seconds: Int32Array;
  private readonly stride: number;
  private mask: number;
  private size = 0;

  /** The index that has these slots, which it shares; nothing can be added to it. */
  static of(
    slots: Int32Array,
    firsts: Int32Array,
    seconds: Int32Array,
    stride?: number,
  ): PairIndex {
    const index = new PairIndex(firsts, seconds, stride, 0);
    index.slots = slots;
    index.mask = slots.length - 1;
    return index;
  }

  /** Pair `n` is `firsts[n * stride]`, `seconds[n * stride]`. Starts with room for `entries` pairs and grows as needed. */
  constructor(firsts: Int32Array, seconds: Int32Array, stride = 1, entries = firsts.length) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * Math.max(entries, 8)));
    this.firsts = firsts;
    this.seconds = seconds;
    this.stride = stride;
    this.slots = new Int32Array(capacity);
    this.mask = capacity - 1;
  }

  /** The number of the pair, or -1. */
  get(first: number, second: number): number {
    return this.slots[this.find(first, second)] - 1;
  }

  /** Makes pair `number` known, unless an equal one is; returns the number that holds. */
  add(number: number): number {
    const at = this.find(this.firsts[number * this.stride], this.seconds[number * this.stride]);
    if (this.slots[at] > 0) return this.slots[at] - 1;
    this.slots[at] = number + 1;
    if (2 * ++this.size > this.mask) this.grow();
    return number;
  }

  /** Where the pair is in `slots`, or where it belongs; at least half of the slots are empty. */
  private find(first: number, second: number): number {
    const { slots, firsts, seconds, stride, mask } = this;
    let slot = hash(first, second) & mask;
    for (;;) {
      const at = (slots[slot] - 1) * stride;
      if (at < 0 || (firsts[at] === first && seconds[at] === second)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(2 * old.length);
    this.mask = this.slots.length - 1;
    for (const entry of old) {
      if (entry === 0) continue;
      const at = (entry - 1) * this.stride;
      this.slots[this.find(this.firsts[at], this.seconds[at])] = entry;
    }
  }
}

function hash(first: number, second: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^ Math.imul(second + 1, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
