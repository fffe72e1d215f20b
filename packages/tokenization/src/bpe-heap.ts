/**
 * Byte pair encoding by its definition: always apply the lowest-ranked merge, leftmost first, with a heap in O(n log n).
 *
 * Works for any merges, also where several have the same rank. The linear encoder (bpe-linear.ts) is faster and needs a merge list in training order.
 */
import type { PairIndex } from "./pair-index.ts";

/** Merges over symbols, which are non-negative integers. */
export interface MergeTable {
  /** (left, right) -> merge. */
  readonly merges: PairIndex;
  /** The rank of each merge. */
  readonly ranks: Int32Array;
  /** The symbol that each merge makes. */
  readonly results: Int32Array;
}

/** Keys are rank * positionLimit + position: exact in a double up to 2^22 merges. */
const positionLimit = 2 ** 31;

/** Encoder with scratch memory that grows with the longest input. */
export class HeapEncoder {
  /** Heap operations so far: the work, for tests of the time law. */
  operations = 0;
  private readonly table: MergeTable;
  private symbols = new Int32Array(64);
  private next = new Int32Array(64);
  private previous = new Int32Array(64);
  private heap = new Float64Array(256);
  private size = 0;

  constructor(table: MergeTable) {
    this.table = table;
  }

  /** Merges the symbols `input[start, end)` and writes what is left into `out` from `at` on; returns the index after the last. */
  encode(
    input: Uint8Array | Int32Array,
    start: number,
    end: number,
    out: Int32Array,
    at: number,
  ): number {
    const length = end - start;
    this.reserve(length);
    const { symbols, next, previous } = this;
    const { merges, ranks, results } = this.table;
    this.size = 0;
    for (let i = 0; i < length; i++) {
      symbols[i] = input[start + i];
      previous[i] = i - 1;
      next[i] = i + 1;
      if (i > 0) this.offer(i - 1, symbols[i - 1], symbols[i]);
    }
    while (this.size > 0) {
      const key = this.pop();
      const rank = Math.floor(key / positionLimit);
      const left = key - rank * positionLimit;
      const right = next[left];
      // Stale: the left symbol is gone, or one of the two has changed since.
      if (symbols[left] < 0 || right >= length) continue;
      const merge = merges.get(symbols[left], symbols[right]);
      if (merge < 0 || ranks[merge] !== rank) continue;
      symbols[left] = results[merge];
      symbols[right] = -1;
      next[left] = next[right];
      if (next[left] < length) previous[next[left]] = left;
      if (previous[left] >= 0) this.offer(previous[left], symbols[previous[left]], symbols[left]);
      if (next[left] < length) this.offer(left, symbols[left], symbols[next[left]]);
    }
    for (let i = 0; i < length; i = next[i]) out[at++] = symbols[i];
    return at;
  }

  private reserve(length: number): void {
    if (length <= this.symbols.length) return;
    const room = 2 * length;
    this.symbols = new Int32Array(room);
    this.next = new Int32Array(room);
    this.previous = new Int32Array(room);
    this.heap = new Float64Array(4 * room); // length - 1 at first, and two more for each merge
  }

  private offer(position: number, left: number, right: number): void {
    const merge = this.table.merges.get(left, right);
    if (merge < 0) return;
    const { heap } = this;
    const key = this.table.ranks[merge] * positionLimit + position;
    let at = this.size++;
    this.operations++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent] <= key) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = key;
  }

  private pop(): number {
    const { heap } = this;
    const top = heap[0];
    const key = heap[--this.size];
    this.operations++;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= key) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = key;
    return top;
  }
}
