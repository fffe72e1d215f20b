/**
 * A suffix automaton in typed arrays: the smallest automaton that knows every substring of a text, built token by token.
 *
 * A state is a set of substrings that end at the same places; `length` is that of its longest, `link` leads to the state of the longest suffix
 * that ends at more places, `firstEnd` is the number of tokens up to the end of its first place. At most 2n states and 3n edges for n tokens.
 */
export class SuffixIndex {
  #text = new Int32Array(64);
  #size = 0;
  #last = 0;
  #states = 1;
  #link = new Int32Array(128).fill(-1);
  #length = new Int32Array(128);
  #firstEnd = new Int32Array(128);
  /** First edge of a state; edges of a state are a list, so that a state can be copied. */
  #head = new Int32Array(128).fill(-1);
  #edges = 0;
  #edgeState = new Int32Array(256);
  #edgeToken = new Int32Array(256);
  #edgeTarget = new Int32Array(256);
  #edgeNext = new Int32Array(256);
  /** Open addressing: edge + 1 by (state, token), at most half full. */
  #slots = new Int32Array(512);
  #counts = new Int32Array(0);
  #counted = 0;

  /** Tokens of the text. */
  get size(): number {
    return this.#size;
  }

  /** States of the automaton, the root included. */
  get states(): number {
    return this.#states;
  }

  /** The token at a place of the text. */
  token(place: number): number {
    return this.#text[place];
  }

  /** Tokens up to the end of the first place where the substrings of a state stand. */
  firstEnd(state: number): number {
    return this.#firstEnd[state];
  }

  /** The state of the longest suffix of a state's substrings that stands at more places; -1 for the root. */
  link(state: number): number {
    return this.#link[state];
  }

  /** Length of a state's longest substring. */
  length(state: number): number {
    return this.#length[state];
  }

  /** The state after `token`, or -1 where the text never continues so. */
  step(state: number, token: number): number {
    const edge = this.#find(state, token);
    return edge < 0 ? -1 : this.#edgeTarget[edge];
  }

  /** The tokens that continue a state's substrings, with the states they lead to, in no order. */
  *edges(state: number): Generator<{ readonly token: number; readonly target: number }> {
    for (let edge = this.#head[state]; edge >= 0; edge = this.#edgeNext[edge]) {
      yield { token: this.#edgeToken[edge], target: this.#edgeTarget[edge] };
    }
  }

  /** [states] the number of places where the substrings of each state stand. A pass over all states where the text has grown since the last call. */
  counts(): Int32Array {
    if (this.#counted === this.#size) return this.#counts;
    const states = this.#states;
    const counts = new Int32Array(states);
    // Longer substrings first, by a counting sort: a link leads to a shorter one.
    const starts = new Int32Array(this.#size + 2);
    for (let state = 0; state < states; state++) starts[this.#size - this.#length[state] + 1]++;
    for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
    const order = new Int32Array(states);
    for (let state = 0; state < states; state++) {
      order[starts[this.#size - this.#length[state]]++] = state;
    }
    for (const state of order) {
      // The state of a prefix of the text stands at one place that no longer substring has.
      if (state > 0 && this.#length[state] === this.#firstEnd[state]) counts[state]++;
      if (this.#link[state] >= 0) counts[this.#link[state]] += counts[state];
    }
    this.#counts = counts;
    this.#counted = this.#size;
    return counts;
  }

  /** Adds a token at the end of the text. */
  extend(token: number): void {
    if (this.#size === this.#text.length) this.#text = doubled(this.#text);
    this.#text[this.#size++] = token;
    const added = this.#addState(this.#length[this.#last] + 1, this.#size);
    let state = this.#last;
    for (; state >= 0 && this.#find(state, token) < 0; state = this.#link[state]) {
      this.#addEdge(state, token, added);
    }
    this.#link[added] = state < 0 ? 0 : this.#split(state, token);
    this.#last = added;
  }

  /** The target of an edge, which becomes a state of its own where it also holds substrings that did not end here. */
  #split(from: number, token: number): number {
    const target = this.#edgeTarget[this.#find(from, token)];
    if (this.#length[from] + 1 === this.#length[target]) return target;
    const copy = this.#addState(this.#length[from] + 1, this.#firstEnd[target]);
    for (let edge = this.#head[target]; edge >= 0; edge = this.#edgeNext[edge]) {
      this.#addEdge(copy, this.#edgeToken[edge], this.#edgeTarget[edge]);
    }
    this.#link[copy] = this.#link[target];
    this.#link[target] = copy;
    for (let state = from; state >= 0; state = this.#link[state]) {
      const edge = this.#find(state, token);
      if (this.#edgeTarget[edge] !== target) break;
      this.#edgeTarget[edge] = copy;
    }
    return copy;
  }

  #addState(length: number, firstEnd: number): number {
    if (this.#states === this.#link.length) {
      this.#link = doubled(this.#link);
      this.#length = doubled(this.#length);
      this.#firstEnd = doubled(this.#firstEnd);
      this.#head = doubled(this.#head);
    }
    const state = this.#states++;
    this.#length[state] = length;
    this.#firstEnd[state] = firstEnd;
    this.#head[state] = -1;
    return state;
  }

  #addEdge(state: number, token: number, target: number): void {
    if (this.#edges === this.#edgeState.length) {
      this.#edgeState = doubled(this.#edgeState);
      this.#edgeToken = doubled(this.#edgeToken);
      this.#edgeTarget = doubled(this.#edgeTarget);
      this.#edgeNext = doubled(this.#edgeNext);
      this.#slots = new Int32Array(2 * this.#slots.length);
      for (let edge = 0; edge < this.#edges; edge++) this.#file(edge);
    }
    const edge = this.#edges++;
    this.#edgeState[edge] = state;
    this.#edgeToken[edge] = token;
    this.#edgeTarget[edge] = target;
    this.#edgeNext[edge] = this.#head[state];
    this.#head[state] = edge;
    this.#file(edge);
  }

  #file(edge: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash(this.#edgeState[edge], this.#edgeToken[edge]) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = edge + 1;
  }

  #find(state: number, token: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(state, token) & mask; ; slot = (slot + 1) & mask) {
      const edge = this.#slots[slot] - 1;
      if (edge < 0) return -1;
      if (this.#edgeState[edge] === state && this.#edgeToken[edge] === token) return edge;
    }
  }
}

function hash(state: number, token: number): number {
  let mixed = Math.imul(state, 0x9e3779b1) ^ Math.imul(token, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 13);
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}

/** Follows a text through an index: knows the longest suffix of what it was given that stands in the index. */
export class SuffixMatch {
  readonly index: SuffixIndex;
  #state = 0;
  #length = 0;

  constructor(index: SuffixIndex) {
    this.index = index;
  }

  /** Length of the longest suffix that stands in the index. */
  get length(): number {
    return this.#length;
  }

  /** The state of that suffix. */
  get state(): number {
    this.#settle();
    return this.#state;
  }

  /** Tokens up to the end of the first place of that suffix. */
  get firstEnd(): number {
    return this.index.firstEnd(this.state);
  }

  /** Appends a token to the text that is followed. */
  advance(token: number): void {
    this.#settle();
    let next = this.index.step(this.#state, token);
    while (next < 0 && this.#state > 0) {
      this.#state = this.index.link(this.#state);
      this.#length = this.index.length(this.#state);
      next = this.index.step(this.#state, token);
    }
    if (next < 0) return;
    this.#state = next;
    this.#length++;
  }

  /** The index may have split the state since it was reached: moves to the part that holds the matched suffix. */
  #settle(): void {
    for (let link = this.index.link(this.#state); link >= 0;) {
      if (this.index.length(link) < this.#length) return;
      this.#state = link;
      link = this.index.link(link);
    }
  }
}
