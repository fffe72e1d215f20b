/**
 * How close a model of single tokens comes to the entropy of a Markov source: the measure of a tokenizer that has an exact limit.
 *
 * Rajaraman, Jiao, Ramchandran, "Toward a Theory of Tokenization in LLMs", 2024, arXiv:2404.08335.
 *
 * Loss a letter = tokens a letter x entropy of the token frequencies: the best model that knows no context. Of letters it is H(pi), the entropy of one letter;
 * no tokenizer comes below the entropy rate H. Blocks of r letters reach H + (H(pi) - H) / r on a chain of order 1, a dictionary exponential in r; LZW with
 * the greedy encoder and d tokens reaches H / (1 - e), e = ln(1 / delta) / (.99 ln d), with delta the smallest transition probability (theorem 4.5).
 *
 * Departures: the loss of blocks for chains of order k that look k letters back only is exact; the frequencies of a text understate the entropy, which
 * Miller and Madow's term may correct.
 */
import { entropy, InvalidArgumentError } from "@veridraft/core-probs";
import type { MarkovSource } from "./markov-source.ts";

/** A text under the best model of single tokens. */
export interface UnigramLoss {
  readonly natsPerSymbol: number;
  readonly tokensPerSymbol: number;
  /** Of the frequencies, in nats a token. */
  readonly tokenEntropy: number;
  /** Different tokens. */
  readonly types: number;
}

/**
 * Loss of an encoded text under the frequencies of its own tokens.
 *
 * @param symbols Length of the text, in whatever the loss is to be counted by: letters, bytes, characters.
 * @param correction "millerMadow" adds (types - 1) / (2 tokens) to the entropy, which frequencies understate by about that.
 * @throws InvalidArgumentError for no tokens or no symbols.
 * @example unigramLoss(["a", "b"], 4).natsPerSymbol // ln 2 / 2
 */
export function unigramLoss(
  tokens: ArrayLike<string | number>,
  symbols: number,
  correction: "none" | "millerMadow" = "none",
): UnigramLoss {
  if (!(tokens.length > 0 && symbols > 0)) {
    throw new InvalidArgumentError(
      `unigramLoss: needs tokens and symbols, got ${tokens.length} and ${symbols}`,
    );
  }
  const counts = new Map<string | number, number>();
  for (let i = 0; i < tokens.length; i++) counts.set(tokens[i], (counts.get(tokens[i]) ?? 0) + 1);
  const frequencies = Float64Array.from(counts.values(), (count) => count / tokens.length);
  const added = correction === "millerMadow" ? (counts.size - 1) / (2 * tokens.length) : 0;
  const tokenEntropy = entropy(frequencies) + added;
  const tokensPerSymbol = tokens.length / symbols;
  const natsPerSymbol = tokensPerSymbol * tokenEntropy;
  return { natsPerSymbol, tokensPerSymbol, tokenEntropy, types: counts.size };
}

/**
 * Loss of blocks of `length` letters on a source whose letters depend on the one `order` places before and on no other.
 *
 * @example blockLoss(switchingSource(1, 0.8, 0.8), 2) // 0.5968
 */
export function blockLoss(
  { order, entropyRate, stationaryEntropy }: MarkovSource,
  length: number,
): number {
  const free = Math.min(order, length);
  return (free * stationaryEntropy + (length - free) * entropyRate) / length;
}

/**
 * What LZW with the greedy encoder is sure to reach with `tokens` tokens (theorem 4.5): null where that is nothing, for too few tokens or an order above 1.
 *
 * @param c The constant below 1 of the theorem.
 */
export function lzwBound(
  { order, entropyRate, minTransition }: MarkovSource,
  tokens: number,
  c = 0.99,
): number | null {
  const share = -Math.log(minTransition) / (c * Math.log(tokens));
  return order === 1 && share < 1 ? entropyRate / (1 - share) : null;
}

/**
 * H(Q, P) of theorem 4.3: the mean of ln 1 / P(token) over the tokens of a text. Where it is ln(1 / delta) / e or more, the greedy encoder loses at most
 * H / (1 - e).
 */
export function patternScore(source: MarkovSource, tokens: readonly string[]): number {
  const scores = new Map<string, number>();
  let sum = 0;
  for (const token of tokens) {
    let score = scores.get(token);
    if (score === undefined) {
      score = -source.logProb(token);
      scores.set(token, score);
    }
    sum += score;
  }
  return sum / tokens.length;
}

/** A tokenizer's loss on text, by what people count. */
export interface TokenizerLoss {
  readonly natsPerByte: number;
  /** By code points. */
  readonly natsPerCharacter: number;
  readonly charactersPerToken: number;
  readonly types: number;
}

/**
 * The paper's table 2 for any tokenizer and text: the loss of test text under frequencies of train text, one added to each count so that tokens that
 * were not seen have a probability. Train and test must differ: a dictionary that holds the whole text codes it as one token.
 *
 * @param vocabSize Tokens that share the added counts.
 * @throws InvalidArgumentError for a test text that is empty.
 */
export function evaluateTokenizer(
  encode: (text: string) => ArrayLike<number>,
  vocabSize: number,
  train: readonly string[],
  test: readonly string[],
): TokenizerLoss {
  const counts = new Map<number, number>();
  let total = vocabSize;
  for (const text of train) {
    const ids = encode(text);
    for (let i = 0; i < ids.length; i++) counts.set(ids[i], (counts.get(ids[i]) ?? 0) + 1);
    total += ids.length;
  }
  const seen = new Set<number>();
  let nats = 0;
  let tokens = 0;
  for (const text of test) {
    const ids = encode(text);
    for (let i = 0; i < ids.length; i++) {
      nats -= Math.log(((counts.get(ids[i]) ?? 0) + 1) / total);
      seen.add(ids[i]);
    }
    tokens += ids.length;
  }
  if (tokens === 0) throw new InvalidArgumentError("evaluateTokenizer: the test text is empty");
  const bytes = test.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const characters = test.reduce((sum, text) => sum + [...text].length, 0);
  return {
    natsPerByte: nats / bytes,
    natsPerCharacter: nats / characters,
    charactersPerToken: characters / tokens,
    types: seen.size,
  };
}
