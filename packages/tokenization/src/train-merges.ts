/**
 * The merges that byte pair encoding learns: again and again the most frequent pair of neighbors, in time that depends on what changes.
 *
 * Philip Gage, "A New Algorithm for Data Compression", 1994; Rico Sennrich, Barry Haddow and Alexandra Birch, "Neural Machine Translation of Rare
 * Words with Subword Units", 2016, arXiv:1508.07909. Of pairs that are equally frequent, the one with the smaller left symbol comes first, then the
 * one with the smaller right symbol, as in Hugging Face's trainer.
 */

/** Words as symbols, and what may be merged. */
export interface MergeTask {
  /** Symbols of each distinct word; they are merged in place. */
  readonly words: number[][];
  /** How often each word occurs. */
  readonly counts: Float64Array;
  /** Length of each symbol, in whatever `longest` counts; it grows by one for each merge. */
  readonly lengths: number[];
  /** No merge makes a symbol above this length. */
  readonly longest: number;
  /** No merge of a pair that occurs less often. */
  readonly minFrequency: number;
  /** The symbol of a pair: a new one, which is `lengths.length`, or one that is there. */
  readonly symbolOf: (left: number, right: number) => number;
}

/** A merge in its place. */
export interface LearnedMerge {
  readonly left: number;
  readonly right: number;
  readonly symbol: number;
  readonly count: number;
}

/** Keys of pairs are left * keyBase + right: exact up to 2^26 symbols. */
const keyBase = 2 ** 26;

/** The merges one after another, the first found first; it ends where no pair is left. */
export function* learnMerges(task: MergeTask): Generator<LearnedMerge> {
  const { words, counts, lengths, longest, minFrequency, symbolOf } = task;
  const pairCounts = new Map<number, number>();
  /** The words that a pair was ever in. */
  const places = new Map<number, Set<number>>();
  const queue = new PairQueue();
  const touched = new Set<number>();

  function change(left: number, right: number, by: number, word: number): void {
    if (lengths[left] + lengths[right] > longest) return;
    const key = left * keyBase + right;
    pairCounts.set(key, (pairCounts.get(key) ?? 0) + by);
    if (by < 0) return;
    touched.add(key);
    const set = places.get(key);
    if (set === undefined) places.set(key, new Set([word]));
    else set.add(word);
  }

  function flush(): void {
    for (const key of touched) {
      const count = pairCounts.get(key) as number;
      if (count > 0) queue.push(count, key);
    }
    touched.clear();
  }

  for (const [word, symbols] of words.entries()) {
    for (let i = 0; i + 1 < symbols.length; i++)
      change(symbols[i], symbols[i + 1], counts[word], word);
  }
  flush();
  for (;;) {
    const { count, key } = queue.pop();
    const current = pairCounts.get(key) ?? 0;
    if (count === 0) return;
    if (current !== count) {
      if (current > 0 && current < count) queue.push(current, key);
      continue;
    }
    if (count < minFrequency) return;
    const left = Math.floor(key / keyBase);
    const right = key - left * keyBase;
    const symbol = symbolOf(left, right);
    if (symbol === lengths.length) lengths.push(lengths[left] + lengths[right]);
    for (const word of places.get(key) as Set<number>) {
      mergeWord(words[word], left, right, symbol, (a, b, sign) =>
        change(a, b, sign * counts[word], word),
      );
    }
    pairCounts.delete(key);
    places.delete(key);
    touched.delete(key);
    flush();
    yield { left, right, symbol, count };
  }
}

/** Merges left to right, and reports which neighbors come and go. */
function mergeWord(
  symbols: number[],
  left: number,
  right: number,
  symbol: number,
  report: (left: number, right: number, sign: 1 | -1) => void,
): void {
  let kept = 0;
  for (let i = 0; i < symbols.length; i++) {
    const next = symbols[i + 1];
    if (symbols[i] !== left || next !== right) {
      symbols[kept++] = symbols[i];
      continue;
    }
    if (kept > 0) {
      report(symbols[kept - 1], left, -1);
      report(symbols[kept - 1], symbol, 1);
    }
    if (i + 2 < symbols.length) {
      report(right, symbols[i + 2], -1);
      report(symbol, symbols[i + 2], 1);
    }
    symbols[kept++] = symbol;
    i++;
  }
  symbols.length = kept;
}

/** A binary heap: the largest count first, then the smallest key. */
class PairQueue {
  private readonly counts: number[] = [];
  private readonly keys: number[] = [];

  push(count: number, key: number): void {
    const { counts, keys } = this;
    let at = keys.length;
    counts.push(count);
    keys.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(count, key, counts[parent], keys[parent])) break;
      counts[at] = counts[parent];
      keys[at] = keys[parent];
      at = parent;
    }
    counts[at] = count;
    keys[at] = key;
  }

  /** The first; count 0 where there is none. */
  pop(): { count: number; key: number } {
    const { counts, keys } = this;
    if (keys.length === 0) return { count: 0, key: -1 };
    const first = { count: counts[0], key: keys[0] };
    const count = counts.pop() as number;
    const key = keys.pop() as number;
    const size = keys.length;
    if (size === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (
        child + 1 < size &&
        isBefore(counts[child + 1], keys[child + 1], counts[child], keys[child])
      )
        child++;
      if (!isBefore(counts[child], keys[child], count, key)) break;
      counts[at] = counts[child];
      keys[at] = keys[child];
      at = child;
    }
    counts[at] = count;
    keys[at] = key;
    return first;
  }
}

function isBefore(count: number, key: number, otherCount: number, otherKey: number): boolean {
  return count > otherCount || (count === otherCount && key < otherKey);
}
