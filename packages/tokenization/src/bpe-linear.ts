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
  /** [256, 256] the nodes of a trie over all symbols that two bytes lead to; 0 where no symbol begins so. */
  readonly seconds: Int32Array;
  /** (node, byte) -> node, from the third byte on. */
  readonly edges: PairTable;
  /** Two words a node: the symbol that ends there, 0 if none, and a bit for the lowest five bits of each byte that leads on. */
  readonly nodes: Int32Array;
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

  const parents = new Int32Array(1 + totalBytes);
  const nodes = new Int32Array(2 * parents.length);
  const nodeOf = new Int32Array(symbols);
  const seconds = new Int32Array(256 * 256);
  const edges = new PairTable(totalBytes >> 2);
  let used = 1;
  for (let s = 256; s < symbols; s++) {
    if (lengths[s] === 0) continue;
    // The way to the left part is there already; a byte has no node.
    const left = rules.left[s];
    let node = nodeOf[left];
    let i = starts[s] + lengths[left];
    if (node === 0) node = seconds[(left << 8) | bytes[i++]] ||= used++;
    for (; i < ends[s]; i++) {
      const child = edges.add(node, bytes[i], used);
      if (child === used) {
        parents[used++] = node;
        nodes[2 * node + 1] |= 1 << (bytes[i] & 31);
      }
      node = child;
    }
    nodes[2 * node] = s;
    nodeOf[s] = node;
  }
  for (let s = 256; s < symbols; s++) {
    if (lengths[s] === 0) continue;
    let node = parents[nodeOf[s]];
    while (node > 0 && nodes[2 * node] === 0) node = parents[node];
    shorter[s] = node > 0 ? nodes[2 * node] : bytes[starts[s]];
  }
  return { rules, lengths, shorter, seconds, edges, nodes: nodes.slice(0, 2 * used) };
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
    const { seconds, edges, nodes } = this.tables;
    let best = bytes[start];
    let i = start + 1;
    if (i < end) {
      let node = seconds[(best << 8) | bytes[i++]];
      while (node > 0) {
        if (nodes[2 * node] > 0) best = nodes[2 * node];
        // Most ways end here without a look-up.
        if (i === end || ((nodes[2 * node + 1] >>> (bytes[i] & 31)) & 1) === 0) break;
        node = edges.get(node, bytes[i++]);
      }
    }
    this.trieSteps += i - start;
    return best;
  }
}
