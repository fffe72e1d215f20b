/** Dictionaries of strings learned from a text without any split before, and the encoders that use them: what the theory of tokenization is about. */
import { InvalidArgumentError } from "@veridraft/core-probs/errors";

/** A dictionary with the rules that made it, in order: two neighbors become one token. */
export interface PairDictionary {
  readonly tokens: readonly string[];
  readonly rules: readonly (readonly [left: string, right: string])[];
}

/** All strings of `length` letters. */
export function fixedBlocks(alphabet: string, length: number): string[] {
  if (length === 0) return [""];
  return fixedBlocks(alphabet, length - 1).flatMap((start) =>
    Array.from(alphabet, (letter) => start + letter),
  );
}

/**
 * Lempel, Ziv, Welch: the shortest beginning of the rest that is no token yet becomes one, and is cut off. The letters of the text are tokens in any case.
 *
 * @param maxTokens Where to stop; an unfinished last piece adds nothing.
 * @example learnLzw("0100111", 10) // ["0", "1", "00", "11"]
 */
export function learnLzw(text: string, maxTokens: number): string[] {
  const tokens = new Set<string>();
  const letters = new Set(text);
  let missing = letters.size;
  let start = 0;
  for (let end = 1; end <= text.length && tokens.size + missing < maxTokens; end++) {
    const piece = text.slice(start, end);
    if (tokens.has(piece)) continue;
    tokens.add(piece);
    if (letters.has(piece)) missing--;
    start = end;
  }
  for (const letter of letters) tokens.add(letter);
  return [...tokens];
}

/**
 * Byte pair encoding on letters: the most frequent neighbors become a token until there are `maxTokens` or no pair occurs `minCount` times. Ties: the
 * smaller pair. Occurrences that overlap count.
 *
 * @example learnPairs("01010110101", 6).tokens // ["0", "1", "01", "0101"]
 */
export function learnPairs(text: string, maxTokens: number, minCount = 2): PairDictionary {
  const tokens = [...new Set(text)].toSorted();
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const rules: [string, string][] = [];
  let ids: Int32Array = Int32Array.from(text, (letter) => idOf.get(letter) as number);
  while (tokens.length < maxTokens) {
    const best = mostFrequentPair(ids, tokens);
    if (!best || best.count < minCount) break;
    const { left, right } = best;
    rules.push([tokens[left], tokens[right]]);
    const whole = tokens[left] + tokens[right];
    let id = idOf.get(whole);
    if (id === undefined) {
      id = tokens.push(whole) - 1;
      idOf.set(whole, id);
    }
    ids = mergePair(ids, left, right, id);
  }
  return { tokens, rules };
}

/** The pair of neighbors that occurs most often, the smaller one of ties. */
function mostFrequentPair(
  ids: Int32Array,
  tokens: readonly string[],
): { left: number; right: number; count: number } | undefined {
  const width = 2 ** 26; // ids are below
  const counts = new Map<number, number>();
  for (let i = 0; i + 1 < ids.length; i++) {
    const pair = ids[i] * width + ids[i + 1];
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  let best: { left: number; right: number; count: number } | undefined;
  for (const [pair, count] of counts) {
    if (best && count < best.count) continue;
    const [left, right] = [Math.floor(pair / width), pair % width];
    const smaller =
      best &&
      (tokens[left] < tokens[best.left] ||
        (left === best.left && tokens[right] < tokens[best.right]));
    if (!best || count > best.count || smaller) best = { left, right, count };
  }
  return best;
}

function mergePair(ids: Int32Array, left: number, right: number, whole: number): Int32Array {
  const merged = new Int32Array(ids.length);
  let length = 0;
  for (let i = 0; i < ids.length; i++) {
    const pair = ids[i] === left && i + 1 < ids.length && ids[i + 1] === right;
    merged[length++] = pair ? whole : ids[i];
    if (pair) i++;
  }
  return merged.subarray(0, length);
}

/**
 * Sequential BPE (Rajaraman et al., 2024, algorithm 1): the text in `size` parts; of each part the most frequent pair becomes a rule where it occurs ln(size)
 * times, and is applied to the parts after it.
 */
export function learnPairsInParts(text: string, size: number): PairDictionary {
  const length = Math.floor(text.length / size);
  if (length < 1) {
    throw new InvalidArgumentError(
      `learnPairsInParts: ${size} parts need as many letters, got ${text.length}`,
    );
  }
  const tokens = [...new Set(text)].toSorted();
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const steps: { left: number; right: number; whole: number }[] = [];
  for (let part = 0; part < size; part++) {
    const piece = text.slice(part * length, (part + 1) * length);
    let ids: Int32Array = Int32Array.from(piece, (letter) => idOf.get(letter) as number);
    for (const { left, right, whole } of steps) ids = mergePair(ids, left, right, whole);
    const best = mostFrequentPair(ids, tokens);
    if (!best || best.count < Math.log(size)) continue;
    const { left, right } = best;
    const known = idOf.get(tokens[left] + tokens[right]);
    const whole = known ?? tokens.push(tokens[left] + tokens[right]) - 1;
    idOf.set(tokens[whole], whole);
    steps.push({ left, right, whole });
  }
  return { tokens, rules: steps.map(({ left, right }) => [tokens[left], tokens[right]]) };
}

/** Applies the rules in order, each from left to right. @throws InvalidArgumentError for a letter that is no token. */
export function encodeRules({ tokens, rules }: PairDictionary, text: string): string[] {
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  let ids: Int32Array = Int32Array.from(text, (letter) => {
    const id = idOf.get(letter);
    if (id === undefined) throw unknownLetter("encodeRules", letter);
    return id;
  });
  for (const [left, right] of rules) {
    const [first, second, whole] = [left, right, left + right].map((token) => idOf.get(token));
    ids = mergePair(ids, first as number, second as number, whole as number);
  }
  return Array.from(ids, (id) => tokens[id]);
}

/** A dictionary to look up from a place of a text. */
export interface Lookup {
  /** Calls `found` with the end of every token that begins at `start`, shortest first. */
  forEachEnd(text: string, start: number, found: (end: number) => void): void;
}

/** Prepares a dictionary for {@link encodeGreedy} and {@link encodeMinimal}. */
export function createLookup(tokens: Iterable<string>): Lookup {
  /** Children by node and character code. */
  const children = new Map<number, number>();
  const ends = [false];
  for (const token of tokens) {
    let node = 0;
    for (let i = 0; i < token.length; i++) {
      const edge = node * 65_536 + token.charCodeAt(i);
      const child = children.get(edge) ?? ends.push(false) - 1;
      children.set(edge, child);
      node = child;
    }
    ends[node] = node > 0;
  }
  return {
    forEachEnd(text, start, found) {
      let node: number | undefined = 0;
      for (let at = start; at < text.length; at++) {
        node = children.get(node * 65_536 + text.charCodeAt(at));
        if (node === undefined) return;
        if (ends[node]) found(at + 1);
      }
    },
  };
}

/** The longest token each time. @throws InvalidArgumentError for a letter that is no token. */
export function encodeGreedy(lookup: Lookup, text: string): string[] {
  const tokens: string[] = [];
  for (let start = 0; start < text.length;) {
    let end = start;
    lookup.forEachEnd(text, start, (longer) => (end = longer));
    if (end === start) throw unknownLetter("encodeGreedy", text[start]);
    tokens.push(text.slice(start, end));
    start = end;
  }
  return tokens;
}

/** The fewest tokens; of equally few those with the longest first token. @throws InvalidArgumentError for a text that tokens do not make. */
export function encodeMinimal(lookup: Lookup, text: string): string[] {
  const fewest = new Float64Array(text.length + 1).fill(Infinity);
  const ends = new Int32Array(text.length);
  fewest[text.length] = 0;
  for (let start = text.length - 1; start >= 0; start--) {
    lookup.forEachEnd(text, start, (end) => {
      if (1 + fewest[end] > fewest[start]) return;
      fewest[start] = 1 + fewest[end];
      ends[start] = end;
    });
  }
  if (fewest[0] === Infinity) throw unknownLetter("encodeMinimal", text[0]);
  const tokens: string[] = [];
  for (let start = 0; start < text.length; start = ends[start]) {
    tokens.push(text.slice(start, ends[start]));
  }
  return tokens;
}

function unknownLetter(caller: string, letter: string): InvalidArgumentError {
  return new InvalidArgumentError(`${caller}: no token goes on with ${JSON.stringify(letter)}`);
}
