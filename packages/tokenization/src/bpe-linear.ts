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
import { PairIndex } from "./pair-index.ts";

/** Merges between symbols: one for each symbol from 256 on, parts before wholes. */
export class PairRules {
  /** Pair tests so far, in steps. */
  operations = 0;
  /** The two parts of each symbol; a byte is its own parts, and so is a number without a symbol. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly pairs: PairIndex;

  constructor(left: Int32Array, right: Int32Array, pairs: PairIndex) {
    this.left = left;
    this.right = right;
    this.pairs = pairs;
  }

  /** No merges yet, and room for `symbols` symbols. */
  static empty(symbols: number): PairRules {
    const left = new Int32Array(symbols);
    for (let symbol = 0; symbol < symbols; symbol++) left[symbol] = symbol;
    const right = left.slice();
    return new PairRules(left, right, new PairIndex(left, right));
  }

  /** Adds the merge of two known symbols into a new one that is higher than all before. */
  add(left: number, right: number, symbol: number): void {
    this.left[symbol] = left;
    this.right[symbol] = right;
    this.pairs.add(symbol);
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
  /** Four words a node: the node before it, the byte that leads here, the symbol that ends here, 0 if none, and a bit for the lowest five bits of each byte that leads on. */
  readonly nodes: Int32Array;
  /** The nodes by the first two words, from the third byte on. */
  readonly edges: PairIndex;
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

  const nodes = new Int32Array(4 * (1 + totalBytes));
  const nodeOf = new Int32Array(symbols);
  const seconds = new Int32Array(256 * 256);
  const edges = new PairIndex(nodes, nodes.subarray(1), 4, totalBytes >> 1);
  let used = 1;
  for (let s = 256; s < symbols; s++) {
    if (lengths[s] === 0) continue;
    // The way to the left part is there already; a byte has no node.
    const left = rules.left[s];
    let node = nodeOf[left];
    let i = starts[s] + lengths[left];
    if (node === 0) {
      nodes[4 * used] = 0; // where a node may have been tried that was there already
      node = seconds[(left << 8) | bytes[i++]] ||= used++;
    }
    for (; i < ends[s]; i++) {
      nodes[4 * used] = node;
      nodes[4 * used + 1] = bytes[i];
      const child = edges.add(used);
      if (child === used) {
        used++;
        nodes[4 * node + 3] |= 1 << (bytes[i] & 31);
      }
      node = child;
    }
    nodes[4 * node + 2] = s;
    nodeOf[s] = node;
  }
  for (let s = 256; s < symbols; s++) {
    if (lengths[s] === 0) continue;
    let node = nodes[4 * nodeOf[s]];
    while (node > 0 && nodes[4 * node + 2] === 0) node = nodes[4 * node];
    shorter[s] = node > 0 ? nodes[4 * node + 2] : bytes[starts[s]];
  }
  return { rules, lengths, shorter, seconds, nodes: nodes.subarray(0, 4 * used), edges };
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
    const { lengths, shorter, rules } = this.tables;
    const length = end - start;
    if (length >= this.open.length) this.open = new Uint8Array(2 * length);
    const { open } = this;
    open.fill(1, 0, length + 1);
    const first = at;
    for (let position = 0; position < length;) {
      let token = this.longest(bytes, start + position, end);
      let after = position + lengths[token];
      while (open[after] === 0 || (at > first && !rules.isPair(out[at - 1], token))) {
        if (shorter[token] >= 0) token = shorter[token];
        else {
          open[position] = 0;
          token = out[--at];
          position -= lengths[token];
        }
        after = position + lengths[token];
      }
      out[at++] = token;
      position = after;
    }
    return at;
  }

  /** Longest symbol that is a prefix of `bytes[start, end)`; there is one for every byte. */
  private longest(bytes: Uint8Array, start: number, end: number): number {
    const { seconds, edges, nodes } = this.tables;
    let best = bytes[start];
    let i = start + 1;
    if (i < end) {
      let node = seconds[(best << 8) | bytes[i++]];
      while (node > 0) {
        if (nodes[4 * node + 2] > 0) best = nodes[4 * node + 2];
        // Most ways end here without a look-up.
        if (i === end || ((nodes[4 * node + 3] >>> (bytes[i] & 31)) & 1) === 0) break;
        node = edges.get(node, bytes[i++]);
      }
    }
    this.trieSteps += i - start;
    return best;
  }
}
