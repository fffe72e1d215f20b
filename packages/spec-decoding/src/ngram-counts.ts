import { type Distribution, InvalidArgumentError } from "@veridraft/core-probs";

/** Longest context whose next tokens are counted: 4-grams. */
const longestContext = 3;

/** How often each token followed a context, with the sum. */
interface Followers {
  readonly counts: Map<number, number>;
  total: number;
}

/**
 * Counts of bigrams to 4-grams, for the n-gram drafters of a server. Holds at most `capacity` different n-grams; the oldest are forgotten, half a
 * capacity at a time: a full half becomes the older of two, and the older one before it goes. About 220 bytes an n-gram.
 *
 * Generations that share counts can be told apart by how fast their drafts are accepted: share them only among users who may know of one another.
 */
export class NgramCounts {
  readonly capacity: number;
  /** The newer half first. */
  #halves: Map<string, Followers>[] = [new Map(), new Map()];
  #sizes = [0, 0];

  /** @param capacity Most n-grams held; default 262,144. */
  constructor(capacity = 262_144) {
    if (!Number.isInteger(capacity) || capacity < 2) {
      throw new InvalidArgumentError(
        `NgramCounts: capacity must be an integer of at least 2, got ${capacity}`,
      );
    }
    this.capacity = capacity;
  }

  /** Different n-grams held. */
  get size(): number {
    return this.#sizes[0] + this.#sizes[1];
  }

  /** Counts the n-grams that end with the token at `place`. */
  add(ids: ArrayLike<number>, place: number): void {
    for (const context of contextsOf(ids, place)) this.#count(context, ids[place]);
  }

  /**
   * The law of the token after `ids`: null where its last token was never followed by one. With N followers of a context, D of them different,
   * (count + D * law of the context without its first token) / (N + D), as Witten and Bell smooth; a context of one token gives its counts.
   */
  lawAfter(ids: ArrayLike<number>): Distribution | null {
    let law: Map<number, number> | null = null;
    for (const context of contextsOf(ids, ids.length)) {
      const { counts, total } = this.#followers(context);
      if (total === 0) break;
      const different = law ? counts.size : 0;
      const next = new Map<number, number>();
      for (const [token, prob] of law ?? []) {
        next.set(token, (different * prob) / (total + different));
      }
      for (const [token, count] of counts) {
        next.set(token, (next.get(token) ?? 0) + count / (total + different));
      }
      law = next;
    }
    if (!law) return null;
    const tokens = Int32Array.from(law.keys()).toSorted();
    return { ids: tokens, probs: Float32Array.from(tokens, (token) => law.get(token) ?? 0) };
  }

  #followers(context: string): Followers {
    const counts = new Map<number, number>();
    let total = 0;
    for (const half of this.#halves) {
      const known = half.get(context);
      if (!known) continue;
      total += known.total;
      for (const [token, count] of known.counts) {
        counts.set(token, (counts.get(token) ?? 0) + count);
      }
    }
    return { counts, total };
  }

  #count(context: string, token: number): void {
    if (this.#sizes[0] >= this.capacity >> 1) {
      this.#halves = [new Map(), this.#halves[0]];
      this.#sizes = [0, this.#sizes[0]];
    }
    const [half] = this.#halves;
    let followers = half.get(context);
    if (!followers) half.set(context, (followers = { counts: new Map(), total: 0 }));
    const count = followers.counts.get(token) ?? 0;
    if (count === 0) this.#sizes[0]++;
    followers.counts.set(token, count + 1);
    followers.total++;
  }
}

/** The contexts of 1 .. `longestContext` tokens before `place`, shortest first. */
function* contextsOf(ids: ArrayLike<number>, place: number): Generator<string> {
  let context = "";
  for (let n = 1; n <= longestContext && n <= place; n++) {
    context = `${ids[place - n]},${context}`;
    yield context;
  }
}
