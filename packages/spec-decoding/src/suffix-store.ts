import { InvalidArgumentError } from "@veridraft/core-probs";
import { SuffixIndex } from "./suffix-index.ts";

/**
 * Past generations of a server, for the suffix drafters of new ones. Holds at most `capacity` tokens; the oldest are forgotten, half a capacity at a
 * time, as a suffix automaton cannot shrink: a full index becomes the older of two, and the older one before it goes. About 150 bytes a token.
 *
 * Generations that share a store can be told apart by how fast their drafts are accepted, never by their text: keep one store for each group of
 * users that may know of one another.
 */
export class SuffixStore {
  readonly capacity: number;
  #indexes: SuffixIndex[] = [new SuffixIndex()];
  #generations = 0;

  /** @param capacity Most tokens held; default 65,536. */
  constructor(capacity = 65_536) {
    if (!Number.isInteger(capacity) || capacity < 2) {
      throw new InvalidArgumentError(
        `SuffixStore: capacity must be an integer of at least 2, got ${capacity}`,
      );
    }
    this.capacity = capacity;
  }

  /** The newer index first; each generation ends with a negative separator. */
  get indexes(): readonly SuffixIndex[] {
    return this.#indexes;
  }

  /** Tokens held. */
  get size(): number {
    return this.#indexes.reduce((sum, index) => sum + index.size, 0);
  }

  /** Adds a generation, prompt and text; of one longer than half the capacity only the end. */
  add(ids: ArrayLike<number>): void {
    const half = this.capacity >> 1;
    const count = Math.min(ids.length, half - 1);
    if (this.#indexes[0].size + count + 1 > half) {
      this.#indexes = [new SuffixIndex(), this.#indexes[0]];
    }
    const [index] = this.#indexes;
    for (let i = ids.length - count; i < ids.length; i++) index.extend(ids[i]);
    // A separator of its own for each generation, so that nothing matches across.
    index.extend(-1 - (this.#generations++ % 2 ** 30));
  }
}
