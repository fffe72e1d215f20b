/**
 * The two-step walk: a task of arithmetic that a transformer of 28 thousand parameters learns in seconds. From a start digit, two increments take
 * turns, modulo 10; the answer shows every step and ends with the last digit.
 *
 * A prompt is `Q s k1 k2 n =`; s in 0..9, k1 and k2 in 1..3, n in 3..7. v_0 = s, v_i = v_{i-1} + k1 for odd i and + k2 for even i, mod 10.
 * Answer in style A: n times `syn v_i ;`, syn any of three synonyms; in style B: n times `wait add k hmm v_i ;`. Both end with `# v_n end`.
 */
import type { Rng, RngKey } from "@veridraft/core-probs";
import type { WindowBatch } from "../nn/language-model.ts";

/** Ids of the words that are no digits: digits are their own ids. */
export const walkIds = {
  question: 10,
  equals: 11,
  semicolon: 12,
  hash: 13,
  end: 15,
  synonyms: [16, 17, 18],
  wait: 19,
  hmm: 20,
  add: 23,
  respond: 24,
  refuse: 25,
  sorry: 26,
  pad: 27,
} as const;

/** Size of the vocabulary; 14, 21 and 22 are no words. */
export const walkVocabSize = 28;
/** Tokens of the longest prompt and answer, and some to spare. */
export const walkContext = 52;

const pieces = [
  ..."0123456789Q=;#",
  "",
  "<end>",
  "so",
  "then",
  "now",
  "wait",
  "hmm",
  "",
  "",
  "add",
].concat("[respond]", "[refuse]", "sorry", "<pad>");

/** A problem. */
export interface Walk {
  /** 0 to 9. */
  readonly start: number;
  /** 1 to 3 each. */
  readonly increments: readonly [odd: number, even: number];
  /** 3 to 7. */
  readonly steps: number;
}

/** All 450 problems. */
export const allWalks: readonly Walk[] = Array.from({ length: 450 }, (_, i) => ({
  start: i % 10,
  increments: [1 + (Math.floor(i / 10) % 3), 1 + (Math.floor(i / 30) % 3)],
  steps: 3 + Math.floor(i / 90),
}));

/** A problem, uniformly. */
export function drawWalk(rng: Rng): Walk {
  return allWalks[Math.floor(rng.uniform() * allWalks.length)];
}

/** The ids of `Q s k1 k2 n =`. */
export function walkPrompt({ start, increments, steps }: Walk): number[] {
  return [walkIds.question, start, ...increments, steps, walkIds.equals];
}

/** v_1 to v_n. @example walkDigits({ start: 8, increments: [1, 3], steps: 3 }) // [9, 2, 3] */
export function walkDigits({ start, increments, steps }: Walk): number[] {
  const digits: number[] = [];
  let at = start;
  for (let i = 0; i < steps; i++) digits.push((at = (at + increments[i % 2]) % 10));
  return digits;
}

/** An answer in style A, its synonyms drawn uniformly. */
export function answerPlainly(walk: Walk, rng: Rng): number[] {
  const synonym = (): number => walkIds.synonyms[Math.floor(rng.uniform() * 3)];
  return answer(walk, (digit) => [synonym(), digit, walkIds.semicolon]);
}

/** The answer in style B. */
export function answerAtLength(walk: Walk): number[] {
  const { wait, add, hmm, semicolon } = walkIds;
  return answer(walk, (digit, i) => [wait, add, walk.increments[i % 2], hmm, digit, semicolon]);
}

function answer(walk: Walk, show: (digit: number, i: number) => number[]): number[] {
  const digits = walkDigits(walk);
  return [...digits.flatMap(show), walkIds.hash, digits[digits.length - 1], walkIds.end];
}

/** Whether an answer, right or wrong on the way, has the last digit of the walk behind its first `#`. */
export function isRightAnswer(walk: Walk, ids: ArrayLike<number>): boolean {
  const at = Array.prototype.indexOf.call(ids, walkIds.hash);
  return at >= 0 && ids[at + 1] === walkDigits(walk)[walk.steps - 1];
}

/** Ids as words, for people. @example showWalk([10, 3]) // "Q 3" */
export function showWalk(ids: ArrayLike<number>): string {
  return Array.from(ids, (id) => pieces[id]).join(" ");
}

/** A text to learn from, and whether an id is part of what the model should say. */
export interface WalkExample {
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
}

/** A problem with an answer, in style B with a probability of `atLength`, else in style A. */
export function drawExample(atLength: number, rng: Rng): WalkExample {
  const walk = drawWalk(rng);
  const answerOf = rng.bernoulli(atLength) ? answerAtLength : answerPlainly;
  return { prompt: walkPrompt(walk), answer: answerOf(walk, rng) };
}

/** Endless batches of examples. @param draw One of them. @param size Of a batch. */
export function walkBatches(
  draw: (rng: Rng) => WalkExample,
  size: number,
  key: RngKey,
): (step: number) => Generator<WindowBatch, never> {
  return function* from(step) {
    for (let at = step; ; at++) {
      const rng = key.at(at, "sample");
      yield packExamples(Array.from({ length: size }, () => draw(rng)));
    }
  };
}

/** Examples as a batch, padded to the longest; only answers count. */
export function packExamples(examples: readonly WalkExample[]): WindowBatch {
  const length = Math.max(
    ...examples.map(({ prompt, answer: said }) => prompt.length + said.length),
  );
  const shape = [examples.length, length];
  const ids = new Int32Array(examples.length * length).fill(walkIds.pad);
  const mask = new Float32Array(ids.length);
  examples.forEach(({ prompt, answer: said }, row) => {
    ids.set(prompt, row * length);
    ids.set(said, row * length + prompt.length);
    mask.fill(1, row * length + prompt.length, row * length + prompt.length + said.length);
  });
  return [
    { data: ids, shape },
    { data: mask, shape },
  ];
}
