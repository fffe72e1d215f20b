import {
  argmax,
  entropy,
  klDivergence,
  logProbOf,
  logSoftmax,
  logSumExp,
  softmax,
  topK,
  totalVariation,
} from "@veridraft/core-probs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expNegative, logFloat } from "../src/fast-math.ts";

const logit = fc.oneof(
  { weight: 9, arbitrary: fc.float({ min: -50, max: 50, noNaN: true }) },
  { weight: 1, arbitrary: fc.constant(-Infinity) },
);
const rowOfLogits = fc
  .array(logit, { minLength: 1, maxLength: 40 })
  .map((values) => Float32Array.from(values))
  .filter((values) => values.some((value) => value > -Infinity));

function naiveSoftmax(logits: Float32Array, temperature: number): number[] {
  const max = Math.max(...logits);
  const masses = Array.from(logits, (value) => Math.exp((value - max) / temperature));
  const sum = masses.reduce((a, b) => a + b);
  return masses.map((mass) => mass / sum);
}

describe("softmax", () => {
  test("worked by hand", () => {
    const probs = softmax(Float32Array.of(0, Math.log(3), -Infinity));
    expect(probs[0]).toBeCloseTo(0.25, 6);
    expect(probs[1]).toBeCloseTo(0.75, 6);
    expect(probs[2]).toBe(0);
  });

  test("equals the definition", () => {
    fc.assert(
      fc.property(
        rowOfLogits,
        fc.double({ min: 0.1, max: 5, noNaN: true }),
        (logits, temperature) => {
          const probs = softmax(logits, temperature);
          naiveSoftmax(logits, temperature).forEach((p, i) => {
            expect(Math.abs(probs[i] - p)).toBeLessThan(2e-7);
          });
        },
      ),
    );
  });

  test("may write over its input", () => {
    const logits = Float32Array.of(1, 2, 3);
    const probs = softmax(logits);
    expect(softmax(logits, 1, logits)).toBe(logits);
    expect(logits).toEqual(probs);
  });

  test("errors", () => {
    const masked = Float32Array.of(-Infinity, -Infinity);
    expect(() => softmax(masked)).toThrow("softmax: no mass in 2 logits");
    expect(() => softmax(Float32Array.of(0, Number.NaN))).toThrow("softmax: no mass in 2 logits");
    expect(() => softmax(masked, 0)).toThrow("softmax: temperature must be above 0, got 0");
    expect(() => softmax(masked, 1, new Float32Array(3))).toThrow(
      "softmax: 2 logits but out holds 3",
    );
  });
});

describe("logs", () => {
  test("logSumExp, logSoftmax and logProbOf agree with softmax", () => {
    fc.assert(
      fc.property(rowOfLogits, (logits) => {
        const probs = naiveSoftmax(logits, 1);
        const logProbs = logSoftmax(logits);
        probs.forEach((p, i) => {
          expect(logProbOf(logits, i)).toBe(logits[i] - logSumExp(logits));
          expect(Math.exp(logProbs[i])).toBeCloseTo(p, 5);
        });
      }),
    );
  });

  test("borders", () => {
    expect(logSumExp([-Infinity, -Infinity])).toBe(-Infinity);
    expect(logSumExp([0, 0])).toBeCloseTo(Math.LN2, 9);
    expect(() => logSoftmax(Float32Array.of(-Infinity))).toThrow("logSoftmax: no mass in 1 logits");
    expect(() => logProbOf([0], 1)).toThrow("logProbOf: id must be in [0, 1), got 1");
    expect(() => argmax([])).toThrow("argmax: the row is empty");
  });
});

describe("divergences", () => {
  // p = (.5, .3, .2): H = 1.029653 (spec of typical acceptance); against q = (.2, .5, .3) by hand: TV .3, KL .5 ln 2.5 + .3 ln .6 + .2 ln (2/3).
  const p = [0.5, 0.3, 0.2];
  const q = [0.2, 0.5, 0.3];
  test("worked values", () => {
    expect(entropy(p)).toBeCloseTo(1.029653, 6);
    expect(entropy([1, 0])).toBe(0);
    expect(totalVariation(p, q)).toBeCloseTo(0.3, 12);
    expect(klDivergence(p, q)).toBeCloseTo(
      0.5 * Math.log(2.5) + 0.3 * Math.log(0.6) + 0.2 * Math.log(2 / 3),
      12,
    );
    expect(klDivergence([0, 1], [0, 1])).toBe(0);
    expect(klDivergence([1, 0], [0, 1])).toBe(Infinity);
  });

  test("lengths must agree", () => {
    expect(() => klDivergence([1], [0.5, 0.5])).toThrow(
      "klDivergence: p has 1 entries but q has 2",
    );
    expect(() => totalVariation([1], [])).toThrow("totalVariation: p has 1 entries but q has 0");
  });
});

describe("topK", () => {
  test("ties go to the lowest id", () => {
    expect([...topK([1, 5, 3, 5], 3)]).toEqual([1, 3, 2]);
    expect([...topK(new Float32Array(6), 4)]).toEqual([0, 1, 2, 3]);
  });

  test("masked values are never chosen", () => {
    expect([...topK([-Infinity, 1, -Infinity], 3)]).toEqual([1]);
    expect([...topK([-Infinity], 1)]).toEqual([]);
    expect([...topK([1, 2], 0)]).toEqual([]);
  });

  test("equals a stable sort", () => {
    const value = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constant(-Infinity));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 80 }), fc.nat(90), (values, k) => {
        const sorted = values
          .map((_, i) => i)
          .filter((i) => values[i] > -Infinity)
          .toSorted((a, b) => values[b] - values[a]);
        expect([...topK(values, k)]).toEqual(sorted.slice(0, k));
      }),
    );
  });

  test("errors", () => {
    expect(() => topK([1], -1)).toThrow("topK: k must be an integer of at least 0, got -1");
  });
});

describe("fast math", () => {
  test("expNegative is exact to 1e-9", () => {
    for (let x = 0; x > -103; x -= 0.00937) {
      expect(Math.abs(expNegative(x) / Math.exp(x) - 1)).toBeLessThan(1e-9);
    }
    expect([expNegative(0), expNegative(-Infinity), expNegative(Number.NaN)]).toEqual([
      1,
      0,
      Number.NaN,
    ]);
  });

  test("logFloat is exact to 1e-11", () => {
    for (let x = 1; x > 1e-44; x *= 0.9931) {
      const float = Math.fround(x);
      expect(Math.abs(logFloat(float) - Math.log(float))).toBeLessThan(1e-11);
    }
    expect(logFloat(0)).toBe(-Infinity);
  });
});
