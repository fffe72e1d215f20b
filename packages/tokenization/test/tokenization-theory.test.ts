import { createRng } from "@veridraft/core-probs";
import {
  blockLoss,
  createLookup,
  encodeGreedy,
  encodeMinimal,
  encodeRules,
  evaluateTokenizer,
  fixedBlocks,
  learnLzw,
  learnPairs,
  learnPairsInParts,
  lzwBound,
  type MarkovSource,
  patternScore,
  switchingSource,
  unigramLoss,
} from "@veridraft/tokenization/systems";
import { describe, expect, test } from "vitest";

/** Of the source's figures, which are of one text. A small dictionary is made of few letters, so that its loss is another for each text. */
const tolerance = 0.006;
const key = createRng(1);
const lossOf = (tokens: string[], text: string): number =>
  unigramLoss(tokens, text.length).natsPerSymbol;

// Tokenization theory, section 5: p = q = .8.
test.each([
  [1, [1, Math.LN2], [2, 0.5968], [3, 0.5647], [4, 0.5486], [6, 0.5325], [8, 0.5245], [12, 0.5165]],
  [2, [1, Math.LN2], [2, Math.LN2], [3, 0.6289], [4, 0.5968], [6, 0.5647], [8, 0.5486]],
  [4, [2, Math.LN2], [4, Math.LN2], [6, 0.6289], [8, 0.5968], [10, 0.5775]],
])("losses of blocks, order %i", (order, ...expected) => {
  const source = switchingSource(order as number, 0.8, 0.8);
  for (const [length, loss] of expected as number[][]) {
    expect(blockLoss(source, length)).toBeCloseTo(loss, 4);
  }
});

describe("switching sources, trained on 60,000 letters, measured on 200,000", () => {
  const texts = new Map<number, { source: MarkovSource; train: string; fresh: string }>();
  const of = (order: number) => {
    const known = texts.get(order);
    if (known) return known;
    const source = switchingSource(order, 0.8, 0.8);
    const train = source.sample(60_000, key.at(order, "draft"));
    const made = { source, train, fresh: source.sample(200_000, key.at(order, "sample")) };
    texts.set(order, made);
    return made;
  };

  test.each([
    [1, 10, 0.5838, 0.08, 1.7],
    [1, 50, 0.5636, 0.03, 0.856],
    [1, 500, 0.5348, 0.008, 0.678],
    [1, 2000, 0.5257, tolerance, 0.637],
    [2, 10, 0.6955, 0.1, null],
    [2, 50, 0.6016, 0.03, null],
    [2, 500, 0.5561, tolerance, null],
    [4, 100, 0.6591, 0.02, null],
    [4, 2000, 0.5761, tolerance, null],
  ])(
    "order %i, LZW of %i tokens: %f within %f, bound %f",
    (order, size, expected, spread, bound) => {
      const { source, train, fresh } = of(order);
      const tokens = encodeGreedy(createLookup(learnLzw(train, size)), fresh);
      const loss = lossOf(tokens, fresh);
      expect(Math.abs(loss - expected)).toBeLessThan(spread);
      expect(loss).toBeGreaterThan(source.entropyRate - tolerance);
      const sure = lzwBound(source, size);
      expect(sure?.toFixed(2)).toBe(bound?.toFixed(2));
      expect(loss).toBeLessThan(sure ?? Infinity);
    },
  );

  test.each([
    [1, 10, 0.5408, 0.54, 0.006],
    [1, 50, 0.5323, 0.5528, 0.02],
    [2, 10, 0.5591, 0.5591, 0.02],
    [2, 50, 0.5316, 0.5361, 0.03],
    [4, 100, 0.5669, 0.5731, 0.03],
  ])(
    "order %i, pairs up to %i tokens: %f, with the greedy encoder %f within %f",
    (order, size, own, greedy, spread) => {
      const { source, train, fresh } = of(order);
      const dictionary = learnPairs(train, size);
      const loss = lossOf(encodeRules(dictionary, fresh), fresh);
      expect(Math.abs(loss - own)).toBeLessThan(Math.max(spread / 2, tolerance));
      expect(loss).toBeGreaterThan(source.entropyRate - tolerance);
      const tokens = encodeGreedy(createLookup(dictionary.tokens), fresh);
      expect(Math.abs(lossOf(tokens, fresh) - greedy)).toBeLessThan(spread);
    },
  );

  test("pairs learned part by part beat letters", () => {
    const { source, train, fresh } = of(1);
    const dictionary = learnPairsInParts(train, 200);
    const loss = lossOf(encodeRules(dictionary, fresh), fresh);
    expect(loss).toBeLessThan(0.9 * source.stationaryEntropy);
    expect(loss).toBeGreaterThan(source.entropyRate - tolerance);
  });

  test("blocks are as good as computed, short of what frequencies understate", () => {
    const { source, fresh } = of(1);
    const tokens = encodeGreedy(createLookup(fixedBlocks("01", 8)), fresh);
    const corrected = unigramLoss(tokens, fresh.length, "millerMadow").natsPerSymbol;
    expect(Math.abs(corrected - blockLoss(source, 8))).toBeLessThan(0.002);
    expect(lossOf(tokens, fresh)).toBeLessThan(corrected);
  });

  test("a dictionary of the whole text is worth nothing on another", () => {
    const { train, fresh } = of(2);
    const lookup = createLookup(["0", "1", train]);
    expect(encodeGreedy(lookup, train)).toEqual([train]);
    expect(lossOf(encodeGreedy(lookup, fresh), fresh)).toBeGreaterThan(0.69);
  });

  test("the pattern score grows with the dictionary", () => {
    const { source, train, fresh } = of(1);
    const [few, many] = [10, 500].map((size) =>
      patternScore(source, encodeGreedy(createLookup(learnLzw(train, size)), fresh)),
    );
    // Theorem 4.3: a score of ln(1 / delta) / e gives a loss of at most H / (1 - e).
    const share = -Math.log(source.minTransition) / many;
    expect(few).toBeLessThan(many);
    const loss = lossOf(encodeGreedy(createLookup(learnLzw(train, 500)), fresh), fresh);
    expect(loss).toBeLessThan(source.entropyRate / (1 - share));
  });
});

// Equation 4: an atypical text of the source of order 2, delta = 1 / 17, teaches no long runs.
test("pairs of an atypical text: 18 tokens, loss .613 at an entropy rate of .2237", () => {
  const source = switchingSource(2, 1 / 17, 1 / 17);
  expect(source.entropyRate).toBeCloseTo(0.2237, 4);
  const atypical = ("01".repeat(17) + "10".repeat(17)).repeat(200);
  const dictionary = learnPairs(atypical, 50);
  const fresh = source.sample(100_000, key.at(9, "sample"));
  const taught = learnPairs(source.sample(atypical.length, key.at(9, "draft")), 50);
  const [wrong, right] = [dictionary, taught].map((one) => lossOf(encodeRules(one, fresh), fresh));
  expect(Math.abs(dictionary.tokens.length - 18)).toBeLessThanOrEqual(1);
  expect(Math.abs(wrong - 0.613)).toBeLessThan(0.02);
  expect(Math.abs(right - 0.279)).toBeLessThan(0.02);
});

test("the loss counts what is asked for", () => {
  expect(unigramLoss(["ab", "c"], 3)).toEqual({
    natsPerSymbol: (2 * Math.LN2) / 3,
    tokensPerSymbol: 2 / 3,
    tokenEntropy: Math.LN2,
    types: 2,
  });
  expect(unigramLoss([1, 2], 2, "millerMadow").tokenEntropy).toBeCloseTo(Math.LN2 + 1 / 4, 12);
});

const encode = (text: string): number[] => Array.from(text, (letter) => letter.codePointAt(0) ?? 0);

// Train "aab": counts 2 + 1 and 1 + 1 over 5 and an unseen token; test "ab": ln(5 / 3) + ln(5 / 2).
test("a tokenizer is measured on text that it did not see", () => {
  const loss = evaluateTokenizer(encode, 2, ["aab"], ["ab"]);
  expect(loss.natsPerCharacter).toBeCloseTo((Math.log(5 / 3) + Math.log(5 / 2)) / 2, 12);
  expect(evaluateTokenizer(encode, 3, ["aab"], ["é"])).toEqual({
    natsPerByte: Math.log(6) / 2,
    natsPerCharacter: Math.log(6),
    charactersPerToken: 1,
    types: 1,
  });
});

test("the fewest tokens", () => {
  const lookup = createLookup(["a", "b", "ab", "abb", "bbb"]);
  expect(encodeGreedy(lookup, "abbbb")).toEqual(["abb", "b", "b"]);
  expect(encodeMinimal(lookup, "abbbb")).toEqual(["ab", "bbb"]);
});

test("errors", () => {
  expect(() => unigramLoss([], 1)).toThrow("unigramLoss: needs tokens and symbols, got 0 and 1");
  expect(() => evaluateTokenizer(() => [], 1, [], [""])).toThrow(
    "evaluateTokenizer: the test text is empty",
  );
});
