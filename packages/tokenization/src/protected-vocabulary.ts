/**
 * Protected vocabulary: strings that encode to one token wherever they are a piece by themselves.
 *
 * Michael Bommarito, Daniel Martin Katz and Jillian Bommarito, "KL3M Tokenizers: A Family of Domain-Specific and Character-Level Tokenizers for Legal,
 * Financial, and Preprocessing Applications", 2025, arXiv:2503.17247, append such strings as added tokens, which match anywhere, even inside words.
 *
 * Here they get merges after all others, so they respect the split and the encoder stays linear.
 */
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import { spell } from "./byte-level.ts";
import type { Vocabulary } from "./vocabulary.ts";

/**
 * The vocabulary with merges at its end that make each of `strings` one token. Its other tokens and ids stay; the tokens on the way to a string are new,
 * too.
 *
 * @throws InvalidArgumentError where a string is not one piece, so that no merge can make it.
 */
export function protectStrings(vocabulary: Vocabulary, strings: readonly string[]): Vocabulary {
  const { preTokenizer, normalizer } = vocabulary;
  const pieces = [...vocabulary.pieces];
  const merges = [...vocabulary.merges];
  const known = new Set(pieces);
  const rankOf = new Map<string, number>();
  for (const [rank, merge] of merges.entries()) if (!rankOf.has(merge)) rankOf.set(merge, rank);
  const utf8 = new TextEncoder();
  for (const string of strings) {
    const parts: string[] = [];
    preTokenizer.split(normalizer === undefined ? string : string.normalize(normalizer), (piece) =>
      parts.push(piece),
    );
    if (parts.length !== 1) {
      throw new InvalidArgumentError(
        `protectStrings: ${JSON.stringify(string)} must be one piece of the split, got ${parts.length}`,
      );
    }
    // Each merge may apply elsewhere in the string, too, so the rest is looked at again.
    let symbols = encode([...spell(utf8.encode(parts[0]))], rankOf);
    while (symbols.length > 1) {
      const [left, right] = symbols;
      rankOf.set(`${left} ${right}`, merges.length);
      merges.push(`${left} ${right}`);
      if (!known.has(left + right)) pieces.push(left + right);
      known.add(left + right);
      symbols = encode(symbols, rankOf);
    }
  }
  return { ...vocabulary, pieces, merges };
}

/** Byte pair encoding by its definition: strings to protect are short. */
function encode(symbols: string[], rankOf: ReadonlyMap<string, number>): string[] {
  for (;;) {
    let best = Infinity;
    let at = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = rankOf.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Infinity;
      if (rank < best) [best, at] = [rank, i];
    }
    if (at < 0) return symbols;
    symbols.splice(at, 2, symbols[at] + symbols[at + 1]);
  }
}
