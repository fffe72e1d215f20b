/**
 * Rows of sequences that have ended, for new ones that begin with the same tokens: a system prompt, the turns of a chat so far.
 *
 * Rows are found by their tokens alone, so that it does not matter who computed them; the least recently used ones go first.
 */
import type { SequenceCache } from "./sequence-cache.ts";

/** Shorter prefixes are not worth a copy. */
const fewestTokens = 8;

/** Keeps rows up to a bound. */
export class PrefixCache {
  /** The most recently used last. */
  private readonly entries: SequenceCache[] = [];
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get size(): number {
    return this.entries.length;
  }

  /** Takes over the rows of a sequence that has ended, in place of rows that it begins with. */
  add(cache: SequenceCache): void {
    if (!cache.isCausal || cache.length < fewestTokens) {
      cache.dispose();
      return;
    }
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const { tokens } = this.entries[i];
      if (commonPrefix(tokens, cache.tokens) === tokens.length) {
        this.entries.splice(i, 1)[0].dispose();
      }
    }
    this.entries.push(cache);
    while (this.bytes > this.maxBytes) this.dropOldest();
  }

  private get bytes(): number {
    return this.entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * The rows of the longest prefix of `tokens`, without the last token, which has to run; null where none is worth it.
   *
   * @param live Sequences that run: they may share theirs, too.
   */
  find(tokens: ArrayLike<number>, live: Iterable<SequenceCache>): SequenceCache | null {
    let best: SequenceCache | null = null;
    let length = fewestTokens - 1;
    for (const cache of [...this.entries, ...live]) {
      if (!cache.isCausal) continue;
      const common = Math.min(commonPrefix(cache.tokens, tokens), tokens.length - 1);
      if (common > length) [best, length] = [cache, common];
    }
    if (!best) return null;
    const at = this.entries.indexOf(best);
    if (at >= 0) this.entries.push(...this.entries.splice(at, 1));
    return best.fork(length);
  }

  /** Lets go of the rows that were not used for longest; false where there are none. */
  dropOldest(): boolean {
    const oldest = this.entries.shift();
    oldest?.dispose();
    return oldest !== undefined;
  }
}

/** How many tokens both begin with. */
function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const most = Math.min(a.length, b.length);
  let count = 0;
  while (count < most && a[count] === b[count]) count++;
  return count;
}
