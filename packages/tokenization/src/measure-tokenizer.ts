/**
 * How tokenizers compare on texts: how much they shorten them, how evenly they use their vocabulary, and how whole they leave words.
 *
 * The measures are those of the KL3M paper (Bommarito, Katz and Bommarito, 2025, arXiv:2503.17247) with the Rényi efficiency of Zouhar et al.,
 * "Tokenization and the Noiseless Channel", 2023, arXiv:2306.16842.
 */
import { InvalidArgumentError } from "@veridraft/core-probs";
import type { Tokenizer } from "./tokenizer.ts";

/** Measures of one tokenizer on all texts together. */
export interface TokenizerMeasures {
  readonly vocabSize: number;
  readonly tokens: number;
  readonly bytesPerToken: number;
  readonly charactersPerToken: number;
  /** Tokens per word, where words are what white space separates. */
  readonly fertility: number;
  /** Share of the words that are one token, with the space before them. */
  readonly wholeWords: number;
  /** Share of the vocabulary that occurs. */
  readonly usedVocabulary: number;
  /** Rényi entropy of order 2.5 of the tokens, over the logarithm of the vocabulary: 1 where all are equally frequent. */
  readonly renyiEfficiency: number;
}

const order = 2.5;

/** The entropy of order 2.5 of counts by token, as a share of the logarithm of their number: 1 where all are equally frequent. */
export function renyiEfficiency(counts: Float64Array): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const power = counts.reduce((sum, count) => sum + (count / total) ** order, 0);
  return Math.log(power) / (1 - order) / Math.log(counts.length);
}

/**
 * Measures of a tokenizer on texts.
 *
 * @throws InvalidArgumentError where the texts hold no word.
 */
export function measureTokenizer(
  tokenizer: Tokenizer,
  texts: readonly string[],
): TokenizerMeasures {
  const counts = new Float64Array(tokenizer.vocabSize);
  let [tokens, bytes, characters, words, wordTokens, whole] = [0, 0, 0, 0, 0, 0];
  for (const text of texts) {
    const ids = tokenizer.encode(text);
    for (const id of ids) counts[id]++;
    tokens += ids.length;
    bytes += Buffer.byteLength(text);
    characters += [...text].length;
    for (const [word] of text.matchAll(/\S+/g)) {
      const count = tokenizer.count(` ${word}`);
      words++;
      wordTokens += count;
      if (count === 1) whole++;
    }
  }
  if (words === 0) {
    throw new InvalidArgumentError(
      `measureTokenizer: texts must hold a word, got ${characters} characters without one`,
    );
  }
  return {
    vocabSize: tokenizer.vocabSize,
    tokens,
    bytesPerToken: bytes / tokens,
    charactersPerToken: characters / tokens,
    fertility: wordTokens / words,
    wholeWords: whole / words,
    usedVocabulary: counts.filter((count) => count > 0).length / tokenizer.vocabSize,
    renyiEfficiency: renyiEfficiency(counts),
  };
}
