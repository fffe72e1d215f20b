/**
 * KL3M: recipes for vocabularies of a domain, whose strings are tokens for sure, and for vocabularies of short tokens, which an error in a text harms little.
 *
 * Michael Bommarito, Daniel Martin Katz and Jillian Bommarito, "KL3M Tokenizers: A Family of Domain-Specific and Character-Level Tokenizers for Legal,
 * Financial, and Preprocessing Applications", 2025, arXiv:2503.17247.
 *
 *   domain:    13 control tokens; BPE of 131,072; custom strings that training did not find: blanks, markup, years, numbers, citations, terms
 *   character: 13 control tokens; BPE whose tokens have at most 3 characters (4K, 8K) or 4 (16K)
 *
 * Departures: no normalizer, since NFKC loses text ("½" becomes "1⁄2"); the alphabet is all 256 bytes, of which the published one lacks two; custom
 * strings are protected vocabulary and not added tokens, which would cut numbers anywhere, so those that the split cuts are left out; terms are the caller's,
 * not reporters-db; sizes are exact, so that nothing is filled with blanks.
 */
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import { createPreTokenizer } from "./pre-tokenizer.ts";
import type { TrainOptions } from "./train-bpe.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The control tokens, with ids from 0 on. */
export const kl3mSpecial: readonly string[] = [
  "<|start|>",
  "<|end|>",
  "<|pad|>",
  "<|unk|>",
  "<|sep|>",
  "<|cls|>",
  "<|mask|>",
  "<|system|>",
  "</|system|>",
  "<|user|>",
  "</|user|>",
  "<|instruction|>",
  "</|instruction|>",
];

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);
const tags =
  "a b body br button div em footer form h1 h2 h3 h4 h5 h6 head header html i img input label li link main meta nav ol p script section span strong style table td tr ul".split(
    " ",
  );
const both = (text: string): string[] => [text, text.toUpperCase()];
const roman = ["ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"];

/** The custom strings of the domain recipe, without repetition and in order: blanks, Markdown, HTML, JSON, XML, years, citations, numbers. */
export function kl3mStrings(): string[] {
  const letters = Array.from("abcdefghijklmnopqrstuvwxyz");
  const strings = [
    ...range(2, 8).flatMap((n) =>
      Array.from(" \t\r\n.-=_*~").map((character) => character.repeat(n)),
    ),
    "\r\n",
    "\t ",
    ...range(2, 6).map((n) => "#".repeat(n)),
    ..."** ~~ ``` ![ http:// https:// www. ftp:// mailto: tel: ://".split(" "),
    ...tags.flatMap((tag) => both(`<${tag}`).concat(both(`</${tag}>`))),
    ..."href src alt title class id".split(" ").flatMap((name) => both(` ${name}=`)),
    '{"',
    '"}',
    '["',
    '"]',
    '":',
    '","',
    '":"',
    "null",
    "true",
    "false",
    ..."<!-- --> <![CDATA[ ]]> <?xml <xml </xml>".split(" "),
    ...range(1776, 2049).map(String),
    ...letters.flatMap((letter) => both(`(${letter})`)),
    ...range(1, 99).map((n) => `(${n})`),
    ...roman.flatMap((numeral) => both(`(${numeral})`)),
    ...range(10, 999).map(String),
  ];
  return [...new Set(strings)].filter(({ length }) => length > 1).toSorted();
}

/**
 * The domain recipe, for `trainBpe`; change what is to be other: `{ ...kl3mDomain(), vocabSize: 32_768 }`.
 *
 * @param terms Of the domain, as they stand in a text: with a space before them, if so. Those that the split cuts are left out.
 */
export function kl3mDomain(terms: readonly string[] = []): TrainOptions {
  const { split } = createPreTokenizer({
    type: "ByteLevel",
    add_prefix_space: false,
    use_regex: true,
  });
  const isPiece = (text: string): boolean => {
    let pieces = 0;
    split(text, () => pieces++);
    return pieces === 1;
  };
  const protect = [...new Set([...kl3mStrings(), ...terms])].filter(isPiece);
  return { vocabSize: 131_072, special: kl3mSpecial, minFrequency: 10, protect };
}

/** Sizes of the character recipe, and the most characters of a token. */
const characterSizes = {
  "4k": { vocabSize: 4096, longestToken: 3 },
  "8k": { vocabSize: 8192, longestToken: 3 },
  "16k": { vocabSize: 16_384, longestToken: 4 },
} as const;

/** The character recipe, for `trainBpe`. The limit is in bytes, so that "é" counts as two. Made for much text: less has few pairs that occur 1,000 times. */
export function kl3mCharacter(size: keyof typeof characterSizes): TrainOptions {
  return { ...characterSizes[size], special: kl3mSpecial, minFrequency: 1000 };
}

/**
 * The first tokens of a vocabulary: a smaller one with equal ids, so that those of several sizes are nested.
 *
 * @throws InvalidArgumentError where the size does not hold the control tokens and bytes, or is above the vocabulary's.
 */
export function truncateVocabulary(vocabulary: Vocabulary, size: number): Vocabulary {
  const least = vocabulary.specialIds.size + 256;
  if (!(Number.isInteger(size) && size >= least && size <= vocabulary.pieces.length)) {
    throw new InvalidArgumentError(
      `truncateVocabulary: size must be in [${least}, ${vocabulary.pieces.length}], got ${size}`,
    );
  }
  const pieces = vocabulary.pieces.slice(0, size);
  const known = new Set(pieces);
  const merges = vocabulary.merges.filter((merge) => known.has(merge.replace(" ", "")));
  return { ...vocabulary, pieces, merges };
}
