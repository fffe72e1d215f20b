/**
 * Tokenizers side by side: what a text costs in tokens, how whole words stay, and how well a vocabulary is used.
 *
 * The measures are those of the KL3M paper (Bommarito, Katz and Bommarito, 2025, arXiv:2503.17247) with the Rényi efficiency of Zouhar et al.,
 * "Tokenization and the Noiseless Channel", 2023, arXiv:2306.16842.
 */
import { InvalidArgumentError } from "@veridraft/core-probs/errors";
import type { Tokenizer } from "./tokenizer.ts";

/** What texts cost with a tokenizer. */
export interface TokenizerReport {
  readonly vocabSize: number;
  /** By corpus. */
  readonly tokens: Readonly<Record<string, number>>;
  /** Characters (code points) a token: the mean over the corpora, whatever their size. */
  readonly charactersPerToken: number;
  /** Tokens a word, a word being a run of letters and digits with a space before it. */
  readonly tokensPerWord: number;
  /** Share of words that are one token. */
  readonly wholeWords: number;
  /** Share of the vocabulary that occurs. */
  readonly used: number;
  /** Rényi efficiency of order 2.5: the entropy of that order as a share of the log of the vocabulary. */
  readonly efficiency: number;
  /** Slope of log frequency by log rank, by least squares; NaN for fewer than two tokens. */
  readonly zipfSlope: number;
  /** Distinct tokens that occur, by their length in bytes. */
  readonly lengths: ReadonlyMap<number, number>;
  /** Tokens of a term; NaN without terms. */
  readonly tokensPerTerm: number;
  /** Share of terms that are one token; NaN without terms. */
  readonly wholeTerms: number;
}

/** Of the Rényi entropy. */
const order = 2.5;
const words = /(?:^| )[\p{L}\p{N}]+/gmu;

/**
 * A report of each tokenizer.
 *
 * @param corpora Texts by name. @param terms Of the domain, as they stand in a text: with a space before them, if so.
 * @throws InvalidArgumentError for a corpus without text.
 */
export function compareTokenizers<Name extends string>(
  tokenizers: Readonly<Record<Name, Tokenizer>>,
  corpora: Readonly<Record<string, readonly string[]>>,
  terms: readonly string[] = [],
): Record<Name, TokenizerReport> {
  for (const [name, texts] of Object.entries(corpora)) {
    if (texts.every((text) => text === "")) {
      throw new InvalidArgumentError(
        `compareTokenizers: corpus ${name} must have text, got ${texts.length} empty ones`,
      );
    }
  }
  return Object.fromEntries(
    Object.entries<Tokenizer>(tokenizers).map(([name, each]) => [
      name,
      report(each, corpora, terms),
    ]),
  ) as Record<Name, TokenizerReport>;
}

function report(
  tokenizer: Tokenizer,
  corpora: Readonly<Record<string, readonly string[]>>,
  terms: readonly string[],
): TokenizerReport {
  const counts = new Float64Array(tokenizer.vocabSize);
  const tokens: Record<string, number> = {};
  const rates: number[] = [];
  const wordCosts = new Map<string, number>();
  let [allWords, wordTokens, whole] = [0, 0, 0];
  for (const [name, texts] of Object.entries(corpora)) {
    let characters = 0;
    tokens[name] = 0;
    for (const text of texts) {
      const ids = tokenizer.encode(text);
      for (const id of ids) counts[id]++;
      tokens[name] += ids.length;
      for (const _ of text) characters++;
      for (const [word] of text.matchAll(words)) {
        const cost = wordCosts.get(word) ?? tokenizer.count(word);
        wordCosts.set(word, cost);
        allWords++;
        wordTokens += cost;
        whole += Number(cost === 1);
      }
    }
    rates.push(characters / tokens[name]);
  }
  const termCosts = terms.map((term) => tokenizer.count(term));
  const seen = counts.filter((count) => count > 0).toSorted((a, b) => b - a);
  const lengths = new Map<number, number>();
  counts.forEach((count, id) => {
    const { length } = tokenizer.tokenBytes(id);
    if (count > 0) lengths.set(length, (lengths.get(length) ?? 0) + 1);
  });
  return {
    vocabSize: tokenizer.vocabSize,
    tokens,
    charactersPerToken: mean(rates),
    tokensPerWord: wordTokens / allWords,
    wholeWords: whole / allWords,
    used: seen.length / tokenizer.vocabSize,
    efficiency: renyiEfficiency(counts),
    zipfSlope: slope(seen),
    lengths,
    tokensPerTerm: mean(termCosts),
    wholeTerms: mean(termCosts.map((cost) => Number(cost === 1))),
  };
}

/** The entropy of order 2.5 of counts by token, as a share of the logarithm of their number: 1 where all are equally frequent. */
function renyiEfficiency(counts: Float64Array): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const power = counts.reduce((sum, count) => sum + (count / total) ** order, 0);
  return Math.log(power) / (1 - order) / Math.log(counts.length);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function slope(counts: Float64Array): number {
  const n = counts.length;
  let [x, y, xx, xy] = [0, 0, 0, 0];
  counts.forEach((count, i) => {
    const [a, b] = [Math.log(i + 1), Math.log(count)];
    x += a;
    y += b;
    xx += a * a;
    xy += a * b;
  });
  return (n * xy - x * y) / (n * xx - x * x);
}
