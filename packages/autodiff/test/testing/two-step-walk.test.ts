import {
  allWalks,
  answerAtLength,
  answerPlainly,
  drawExample,
  drawWalk,
  isRightAnswer,
  packExamples,
  showWalk,
  type Walk,
  walkBatches,
  walkContext,
  walkDigits,
  walkIds,
  walkPrompt,
  walkVocabSize,
} from "@veridraft/autodiff/testing";
import { createRng } from "@veridraft/core-probs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const key = createRng(4);
const walk: Walk = { start: 8, increments: [1, 3], steps: 3 };
const aWalk = fc.nat({ max: allWalks.length - 1 }).map((i) => allWalks[i]);

describe("the two-step walk", () => {
  test("has 450 problems: 10 starts, 3 and 3 increments, 5 numbers of steps", () => {
    expect(new Set(allWalks.map((each) => walkPrompt(each).join(" "))).size).toBe(450);
  });

  // By hand: 8 + 1 = 9, 9 + 3 = 12, 2 + 1 = 3.
  test("takes the increments in turns, modulo 10", () => {
    expect(walkDigits(walk)).toEqual([9, 2, 3]);
    expect(walkPrompt(walk)).toEqual([10, 8, 1, 3, 3, 11]);
    expect(showWalk(walkPrompt(walk))).toBe("Q 8 1 3 3 =");
  });

  test("is answered plainly with a synonym before each digit", () => {
    const answer = answerPlainly(walk, key.at(0, "sample"));
    expect(showWalk(answer)).toMatch(
      /^(so|then|now) 9 ; (so|then|now) 2 ; (so|then|now) 3 ; # 3 <end>$/,
    );
  });

  test("is answered at length with the increment before each digit", () => {
    expect(showWalk(answerAtLength(walk))).toBe(
      "wait add 1 hmm 9 ; wait add 3 hmm 2 ; wait add 1 hmm 3 ; # 3 <end>",
    );
  });

  test("judges the digit behind the first hash", () => {
    const { hash, end } = walkIds;
    expect(isRightAnswer(walk, [9, hash, 3, end])).toBe(true);
    expect(isRightAnswer(walk, [3, hash, 2, hash, 3, end])).toBe(false);
    expect(isRightAnswer(walk, [9, 2, 3])).toBe(false);
    expect(isRightAnswer(walk, [3, hash])).toBe(false);
  });

  test("every answer in either style is right, in the vocabulary and in the context", () => {
    fc.assert(
      fc.property(aWalk, fc.nat(), (each, seed) => {
        for (const answer of [answerPlainly(each, key.at(seed, "sample")), answerAtLength(each)]) {
          expect(isRightAnswer(each, answer)).toBe(true);
          expect(walkPrompt(each).length + answer.length).toBeLessThanOrEqual(walkContext);
          expect(answer.every((id) => id >= 0 && id < walkVocabSize)).toBe(true);
        }
      }),
    );
  });

  test("draws every problem and every synonym", () => {
    const walks = Array.from({ length: 5000 }, (_, i) => drawWalk(key.at(i, "sample")));
    expect(new Set(walks).size).toBe(450);
    const synonyms = answerPlainly(allWalks[449], key.at(1, "sample")).filter((id) => id > 15);
    expect(new Set(synonyms)).toEqual(new Set(walkIds.synonyms));
  });
});

describe("batches of examples", () => {
  test("count answers only, and are padded to the longest", () => {
    const [windows, mask] = packExamples([
      { prompt: [1, 2], answer: [3] },
      { prompt: [4], answer: [5, 6, 7] },
    ]);
    expect(windows).toEqual({ data: Int32Array.of(1, 2, 3, 27, 4, 5, 6, 7), shape: [2, 4] });
    expect(mask).toEqual({ data: Float32Array.of(0, 0, 1, 0, 0, 1, 1, 1), shape: [2, 4] });
  });

  test("are a function of the step, in the asked share of styles", () => {
    const batches = walkBatches((rng) => drawExample(0.25, rng), 400, key);
    const [first, second] = [batches(3), batches(4)];
    first.next();
    const batch = first.next().value;
    expect(batch).toEqual(second.next().value);
    const [{ data, shape }] = batch;
    let atLength = 0;
    for (let row = 0; row < 400; row++) if (data[row * shape[1] + 6] === walkIds.wait) atLength++;
    // Mean 100, deviation 8.7.
    expect(atLength).toBeGreaterThan(65);
    expect(atLength).toBeLessThan(135);
  });
});
