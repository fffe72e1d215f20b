/** The ranked lexicon of LiB: units in order of use, best first, and what matches at a place of a text. */

/** A sequence of symbols, one string each. */
export type Symbols = readonly string[];

interface Node {
  readonly children: Map<string, Node>;
  /** Whether a unit ends here. */
  ends: boolean;
}

interface Entry {
  readonly unit: string;
  rank: number;
}

const createNode = (): Node => ({ children: new Map(), ends: false });

/** Units with ranks, 0 = best; new ones come last. A unit is a text; its symbols are the code points. */
export class RankedLexicon {
  readonly #ranked: Entry[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #root = createNode();

  constructor(units: Iterable<string> = []) {
    for (const unit of units) this.append(unit);
  }

  get size(): number {
    return this.#ranked.length;
  }

  /** Best first. */
  get units(): string[] {
    return this.#ranked.map(({ unit }) => unit);
  }

  has(unit: string): boolean {
    return this.#entries.has(unit);
  }

  /** Undefined for what is no unit. */
  rank(unit: string): number | undefined {
    return this.#entries.get(unit)?.rank;
  }

  /** Nothing happens where `unit` is there already. */
  append(unit: string): void {
    if (this.#entries.has(unit)) return;
    const entry = { unit, rank: this.#ranked.length };
    this.#entries.set(unit, entry);
    this.#ranked.push(entry);
    let node = this.#root;
    for (const symbol of unit) {
      let child = node.children.get(symbol);
      if (!child) {
        child = createNode();
        node.children.set(symbol, child);
      }
      node = child;
    }
    node.ends = true;
  }

  /** Nothing happens where `unit` is not in the lexicon. */
  remove(unit: string): void {
    const entry = this.#entries.get(unit);
    if (!entry) return;
    this.move(unit, this.#ranked.length - 1);
    this.#ranked.pop();
    this.#entries.delete(unit);
    const path = [this.#root];
    for (const symbol of unit) path.push(path[path.length - 1].children.get(symbol) as Node);
    path[path.length - 1].ends = false;
    const symbols = [...unit];
    for (let i = symbols.length; i > 0 && path[i].children.size === 0 && !path[i].ends; i--) {
      path[i - 1].children.delete(symbols[i - 1]);
    }
  }

  /** Moves a unit to another rank; those between shift by one. Nothing happens where `unit` is not in the lexicon. */
  move(unit: string, to: number): void {
    const entry = this.#entries.get(unit);
    if (!entry) return;
    const step = to < entry.rank ? -1 : 1;
    for (let rank = entry.rank; rank !== to; rank += step) {
      const other = this.#ranked[rank + step];
      other.rank = rank;
      this.#ranked[rank] = other;
    }
    entry.rank = to;
    this.#ranked[to] = entry;
  }

  /** Lengths in symbols of the longest and the second longest unit that `text` has at `start`; 0 for none. */
  match(text: Symbols, start: number): { longest: number; second: number } {
    let longest = 0;
    let second = 0;
    let node: Node | undefined = this.#root;
    for (let i = start; i < text.length; i++) {
      node = node.children.get(text[i]);
      if (!node) break;
      if (node.ends) {
        second = longest;
        longest = i + 1 - start;
      }
    }
    return { longest, second };
  }
}

/** Length of the longest unit at `start`, or of one symbol where nothing matches. 0 at the end of the text. */
export function forcedLength(lexicon: RankedLexicon, text: Symbols, start: number): number {
  return start >= text.length ? 0 : lexicon.match(text, start).longest || 1;
}

/** Whether `other` segments better than `usual`: fewer units, or as many with a smaller sum of ranks (of those in the lexicon). */
export function segmentsBetter(
  lexicon: RankedLexicon,
  other: readonly string[],
  usual: readonly string[],
): boolean {
  if (other.length !== usual.length) return other.length < usual.length;
  const sum = (units: readonly string[]): number =>
    units.reduce((total, unit) => total + (lexicon.rank(unit) ?? 0), 0);
  return sum(usual) > sum(other);
}
