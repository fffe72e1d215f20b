/**
 * The tokens of a vocabulary as a trie over bytes, without nodes: in byte order, the tokens below a node are neighbors, so a node is a range of a
 * sorted list. Moving down is a binary search; the mass below a node is a sum over its range.
 */
import type { Tokenizer } from "./tokenizer.ts";

/** The tokens that begin with the same `depth` bytes: places `start` to `end` (exclusive) of {@link ByteTrie.ids}. */
export interface TrieNode {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

/** All tokens that stand for text. Control tokens and empty ones are not in it; several tokens of the same bytes are. */
export interface ByteTrie {
  /** Token ids, in the order of their bytes; a token comes before those that continue it. */
  readonly ids: Int32Array;
  readonly root: TrieNode;
  /** Control tokens that end a text. */
  readonly endIds: readonly number[];
  tokenBytes(id: number): Uint8Array;
  /** The node one byte below, undefined where no token goes on with `byte`. */
  child(node: TrieNode, byte: number): TrieNode | undefined;
  /** The node of `bytes`, undefined where no token begins with them. */
  find(bytes: Uint8Array): TrieNode | undefined;
  /** The place after the tokens that end at `node`: they are the first of its range. */
  endOfWhole(node: TrieNode): number;
  /** Adds `scale` times the mass of `probs` (by token id) below each child of `node` to `out` [256 or more]. An id outside `probs` has none. */
  addMasses(node: TrieNode, probs: ArrayLike<number>, scale: number, out: Float64Array): void;
  /** Mass of `probs` at the places `start` to `end` of `ids`. */
  mass(start: number, end: number, probs: ArrayLike<number>): number;
}

/** Builds the trie of a vocabulary, in O(V log V). */
export function createByteTrie(tokenizer: Tokenizer): ByteTrie {
  const tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => id)
    .filter((id) => !tokenizer.isSpecial(id) && tokenizer.tokenBytes(id).length > 0)
    .map((id) => ({ id, bytes: tokenizer.tokenBytes(id) }))
    .toSorted((a, b) => Buffer.compare(a.bytes, b.bytes) || a.id - b.id);
  const ids = Int32Array.from(tokens, ({ id }) => id);
  const root: TrieNode = { start: 0, end: ids.length, depth: 0 };

  /** The first place in [start, end) whose byte at `depth` is `byte` or more; tokens that end before `depth` are not in the range. */
  function seek(start: number, end: number, depth: number, byte: number): number {
    while (start < end) {
      const middle = (start + end) >>> 1;
      if (tokens[middle].bytes[depth] < byte) start = middle + 1;
      else end = middle;
    }
    return start;
  }

  function endOfWhole({ start, end, depth }: TrieNode): number {
    while (start < end && tokens[start].bytes.length === depth) start++;
    return start;
  }

  function child(node: TrieNode, byte: number): TrieNode | undefined {
    const { end, depth } = node;
    const first = seek(endOfWhole(node), end, depth, byte);
    const last = seek(first, end, depth, byte + 1);
    return first < last ? { start: first, end: last, depth: depth + 1 } : undefined;
  }

  return {
    ids,
    root,
    endIds: [...tokenizer.endIds],
    tokenBytes: tokenizer.tokenBytes,
    child,
    find(bytes) {
      let node: TrieNode | undefined = root;
      for (let i = 0; node !== undefined && i < bytes.length; i++) node = child(node, bytes[i]);
      return node;
    },
    endOfWhole,
    addMasses(node, probs, scale, out) {
      for (let place = endOfWhole(node); place < node.end; place++) {
        const { id, bytes } = tokens[place];
        if (id < probs.length) out[bytes[node.depth]] += scale * probs[id];
      }
    },
    mass(start, end, probs) {
      let sum = 0;
      for (let place = start; place < end; place++) {
        if (ids[place] < probs.length) sum += probs[ids[place]];
      }
      return sum;
    },
  };
}
