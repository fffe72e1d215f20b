import { SuffixIndex, SuffixMatch } from "./suffix-index.ts";
import type { SuffixStore } from "./suffix-store.ts";

/** How far back a store is searched for the suffix when a generation meets an index of it that is new or has grown. */
const recentTokens = 32;

/** Where the suffix of a growing text stands: earlier in the text, and in past ones. */
export class SuffixMatches {
  readonly #store: SuffixStore | undefined;
  readonly #own = new SuffixMatch(new SuffixIndex());
  readonly #text: number[] = [];
  #stored: { readonly match: SuffixMatch; readonly size: number }[] = [];
  #disposed = false;

  /** @param store Past texts; this one is added when it is disposed. */
  constructor(store?: SuffixStore) {
    this.#store = store;
  }

  /** Reads on to the end of a text that has only grown. @returns The match in the text itself, then those in the store's indexes. */
  follow(ids: ArrayLike<number>): readonly SuffixMatch[] {
    for (let i = this.#text.length; i < ids.length; i++) {
      // Matched before it is added: the suffix never matches itself.
      this.#own.advance(ids[i]);
      this.#own.index.extend(ids[i]);
      for (const { match } of this.#stored) match.advance(ids[i]);
      this.#text.push(ids[i]);
    }
    this.#refresh();
    return [this.#own, ...this.#stored.map(({ match }) => match)];
  }

  dispose(): void {
    if (!this.#disposed && this.#text.length > 0) this.#store?.add(this.#text);
    this.#disposed = true;
  }

  /** Keeps the matches of indexes that are as they were, and starts anew in the others: what was added may match the text so far. */
  #refresh(): void {
    if (!this.#store) return;
    this.#stored = this.#store.indexes.map((index) => {
      const known = this.#stored.find(
        ({ match, size }) => match.index === index && size === index.size,
      );
      if (known) return known;
      const match = new SuffixMatch(index);
      for (const token of this.#text.slice(-recentTokens)) match.advance(token);
      return { match, size: index.size };
    });
  }
}
