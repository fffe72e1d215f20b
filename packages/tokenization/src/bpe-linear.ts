/**
 * Byte pair encoding in linear time, exact, by backtracking over longest matches.
 *
 * Method: Hendrik van Antwerpen and Alexander Neubeck, "So many tokens, so little time: introducing a faster, more flexible byte-pair tokenizer",
 * GitHub blog, 2024, and their Rust crate `bpe`. A list of tokens is the encoding of its bytes if and only if every two neighbours are the
 * encoding of theirs. So: take the longest token that fits its left neighbour, shorten it where none follows, step back where nothing is left;
 * a position that was stepped back from is never tried again.
 *
 * Symbols are numbered by merge order (0..255 are bytes), which the pair test relies on. Public ids are mapped in bpe.ts.
 */
import { PairTable } from "./pair-table.ts";

/** Merges between symbols: one for each symbol from 256 on, parts before wholes. */
export class PairRules {
  /** Pair tests so far, in steps. */
  operations = 0;
  /** The two parts of each symbol; a byte is its own parts, and so is a number without a symbol. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly pairs: PairTable;

  constructor(left: Int32Array, right: Int32Array, pairs: PairTable) {
    this.left = left;
    this.right = right;
    this.pairs = pairs;
  }

  /** No merges yet, and room for `symbols` symbols. */
  static empty(symbols: number): PairRules {
    const left = new Int32Array(symbols);
    for (let symbol = 0; symbol < symbols; symbol++) left[symbol] = symbol;
    return new PairRules(left, left.slice(), new PairTable(symbols));
  }

  /** Adds the merge of two known symbols into a new one that is higher than all before. */
  add(left: number, right: number, symbol: number): void {
    this.left[symbol] = left;
    this.right[symbol] = right;
    this.pairs.add(left, right, symbol);
  }

  /** Whether the bytes of two symbols together encode to just these two, under the merges added so far. */
  isPair(first: number, second: number): boolean {
    const { left, right, pairs } = this;
    let limit = 0x7fffffff;
    for (;;) {
      this.operations++;
      const merged = pairs.get(first, second);
      if (merged >= 0 && merged < limit) return false;
      // Undo the later of the two merges and look again at what then meets in the middle.
      if (first > second) {
        limit = first;
        first = right[first];
        if (first === limit) {
          limit = second + 1;
          second = left[second];
          if (second + 1 === limit) return true;
        }
      } else {
        limit = second + 1;
        second = left[second];
        if (second + 1 === limit) {
          limit = first;
          first = right[first];
          if (first === limit) return true;
        }
      }
    }
  }
}

/** Where the bytes of the symbols from 256 on are; an empty span where there is no such symbol. */
export interface SymbolBytes {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

/** What the encoder looks up. */
export interface LinearTables {
  readonly rules: PairRules;
  /** Bytes of each symbol. */
  readonly lengths: Int32Array;
  /** Longest other symbol that is a proper prefix, -1 if none. */
  readonly shorter: Int32Array;
  /** (node, byte) -> node of a trie over all symbols: node 0 is the root, nodes 1..256 its children. */
  readonly edges: PairTable;
  /** The symbol that ends at each node, -1 if none. */
  readonly terminals: Int32Array;
}

/** The tables of all symbols that have merges or are bytes. */
export function buildLinearTables(
  rules: PairRules,
  { bytes, starts, ends }: SymbolBytes,
): LinearTables {
  const symbols = starts.length;
  const lengths = new Int32Array(symbols).fill(1, 0, 256);
  const shorter = new Int32Array(symbols).fill(-1);
  let totalBytes = 0;
  for (let s = 256; s < symbols; s++) totalBytes += lengths[s] = ends[s] - starts[s];

  const parents = new Int32Array(257 + totalBytes);
  const terminals = new Int32Array(257 + totalBytes).fill(-1);
  const nodes = new Int32Array(symbols);
  const edges = new PairTable(totalBytes >> 2);
  for (let byte = 0; byte < 256; byte++) terminals[byte + 1] = byte;
  let used = 257;
  for (let s = 256; s < symbols; s++) {
    if (lengths[s] === 0) continue;
    // The way to the left part is there already.
    const left = rules.left[s];
    let node = left < 256 ? left + 1 : nodes[left];
    for (let i = starts[s] + lengths[left]; i < ends[s]; i++) {
      const child = edges.add(node, bytes[i], used);
      if (child === used) parents[used++] = node;
      node = child;
    }
    terminals[node] = s;
    nodes[s] = node;
  }
  for (let s = 256; s < symbols; s++) {
    if (lengths[s] === 0) continue;
    let node = parents[nodes[s]];
    while (terminals[node] < 0) node = parents[node];
    shorter[s] = terminals[node];
  }
  return { rules, lengths, shorter, edges, terminals: terminals.slice(0, used) };
}

/** Encoder over {@link LinearTables}. */
export class LinearEncoder {
  readonly tables: LinearTables;
  private open = new Uint8Array(256);
  private trieSteps = 0;

  constructor(tables: LinearTables) {
    this.tables = tables;
  }

  /** Trie steps and pair tests so far: the work, for tests of the time law. */
  get operations(): number {
    return this.trieSteps + this.tables.rules.operations;
  }

  /** Writes the symbols of `bytes[start, end)` into `out` from `at` on; returns the index after the last. */
  encode(bytes: Uint8Array, start: number, end: number, out: Int32Array, at: number): number {
    if (start === end) return at;
    const { lengths, shorter, rules } = this.tables;
    const length = end - start;
    if (length >= this.open.length) this.open = new Uint8Array(2 * length);
    const { open } = this;
    open.fill(1, 0, length + 1);
    const first = at;
    let position = 0;
    let token = this.longest(bytes, start, end);
    for (;;) {
      const last = at > first ? out[at - 1] : -1;
      for (;;) {
        const after = position + lengths[token];
        if (open[after] === 1 && (last < 0 || rules.isPair(last, token))) {
          out[at++] = token;
          if (after === length) return at;
          position = after;
          token = this.longest(bytes, start + position, end);
          break;
        }
        if (shorter[token] >= 0) {
          token = shorter[token];
          continue;
        }
        open[position] = 0;
        at--;
        token = last;
        position -= lengths[last];
        break;
      }
    }
  }

  /** Longest symbol that is a prefix of `bytes[start, end)`; there is one for every byte. */
  private longest(bytes: Uint8Array, start: number, end: number): number {
    const { edges, terminals } = this.tables;
    let node = bytes[start] + 1;
    let best = terminals[node];
    let i = start + 1;
    for (; i < end; i++) {
      node = edges.get(node, bytes[i]);
      if (node < 0) break;
      if (terminals[node] >= 0) best = terminals[node];
    }
    this.trieSteps += i - start;
    return best;
  }
}
