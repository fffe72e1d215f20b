import {
  checkSampling,
  defaultSampling,
  type Distribution,
  penalize,
  probabilityOf,
  processLogits,
  resolveSampling,
  type Sampling,
} from "@veridraft/core-probs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const logitsOf = (...probs: number[]) => Float32Array.from(probs, Math.log);
const at = (fields: Partial<Sampling>) => resolveSampling({ temperature: 1, ...fields });
const law = (probs: number[], fields: Partial<Sampling>) =>
  processLogits(logitsOf(...probs), at(fields), []);

/** A sparse law as `id: probability`, rounded to 1e-6. */
function rounded(actual: Distribution): Record<number, number> {
  const { ids, probs } = actual;
  if (ids === null) throw new Error("the law is dense");
  return Object.fromEntries(Array.from(ids, (id, j) => [id, Math.round(probs[j] * 1e6) / 1e6]));
}

describe("processLogits, worked by hand", () => {
  const probs = [0.4, 0.1, 0.3, 0.2];
  const flat = [0.25, 0.25, 0.25, 0.25];
  const two = { 0: 0.571429, 2: 0.428571 };
  const three = { 0: 0.444444, 2: 0.333333, 3: 0.222222 };

  test("greedy is a point mass, ties on the lowest id", () => {
    const logits = Float32Array.of(1, 3, 3);
    expect(rounded(processLogits(logits, defaultSampling, []))).toEqual({ 1: 1 });
  });

  test("plain is dense", () => {
    expect(law(probs, {}).ids).toBeNull();
    // p^2 / sum p^2 at temperature 1/2.
    expect(law(probs, { temperature: 0.5 }).probs[0]).toBeCloseTo(0.16 / 0.3, 6);
    expect(law([0.5, 0, 0.5], {}).probs[1]).toBe(0);
  });

  test("a tiny temperature is greedy", () => {
    expect(law(probs, { temperature: 1e-30 }).probs[0]).toBe(1);
  });

  test.each<[string, number[], Partial<Sampling>, Record<number, number>]>([
    ["topK", probs, { topK: 2 }, two],
    ["topK larger than the vocabulary", [0.25, 0.75], { topK: 9 }, { 0: 0.25, 1: 0.75 }],
    ["topP below .7, the mass of two tokens", probs, { topP: 0.65 }, two],
    ["topP above it", probs, { topP: 0.75 }, three],
    ["topP keeps at least one", probs, { topP: 1e-9 }, { 0: 1 }],
    ["topP breaks ties by the lowest id", flat, { topP: 0.4 }, { 0: 0.5, 1: 0.5 }],
    ["topP sees what topK left: .4 / .7 < .6", probs, { topK: 2, topP: 0.6 }, two],
    ["topP sees what topK left: .4 / .7 > .55", probs, { topK: 2, topP: 0.55 }, { 0: 1 }],
    ["minP", probs, { minP: 0.6 }, two],
    // H = 1.28 nats; |-ln p - H| = .364, 1.02, .076, .329: the order is 2, 3, 0, 1.
    ["typical, one token", probs, { typicalP: 0.29 }, { 2: 1 }],
    ["typical, two", probs, { typicalP: 0.45 }, { 2: 0.6, 3: 0.4 }],
    ["typical, three", probs, { typicalP: 0.6 }, three],
    ["masked tokens stay out", [0.5, 0, 0.5], { topP: 0.99 }, { 0: 0.5, 2: 0.5 }],
  ])("%s", (_, given, fields, expected) => {
    expect(rounded(law(given, fields))).toEqual(expected);
  });

  test("typical keeps all that tie at its border, as Transformers does", () => {
    expect(law(flat, { typicalP: 0.4 }).ids).toHaveLength(4);
  });
});

describe("penalties", () => {
  test("worked by hand", () => {
    const logits = Float32Array.of(2, -2, 2, 1);
    // Twice 0, once 1: (2 / 2 - 2 * .25 - .5, -2 * 2 - .25 - .5).
    const sampling = at({ repetitionPenalty: 2, frequencyPenalty: 0.25, presencePenalty: 0.5 });
    expect([...penalize(logits, sampling, [0, 1, 0])]).toEqual([0, -4.75, 2, 1]);
    expect([...logits]).toEqual([2, -2, 2, 1]);
  });

  test("greedy is the argmax after penalties", () => {
    const sampling = resolveSampling({ presencePenalty: 1.5 });
    expect(rounded(processLogits(Float32Array.of(3, 2), sampling, [0]))).toEqual({ 1: 1 });
  });
});

/** The definition, by full sorts. */
function reference(logits: number[], s: Sampling): Map<number, number> {
  const max = Math.max(...logits);
  let kept = logits
    .map((logit, id) => ({ id, mass: Math.exp((logit - max) / s.temperature) }))
    .filter(({ mass }) => mass > 1e-45)
    .toSorted((a, b) => b.mass - a.mass || a.id - b.id);
  if (s.topK > 0) kept = kept.slice(0, s.topK);
  const total = () => kept.reduce((sum, { mass }) => sum + mass, 0);
  if (s.topP < 1) {
    const target = s.topP * total();
    let sum = 0;
    kept = kept.filter(({ mass }) => {
      const wanted = sum < target;
      sum += mass;
      return wanted;
    });
  }
  if (s.minP > 0) kept = kept.filter(({ mass }) => mass >= s.minP);
  const sum = total();
  return new Map(kept.map(({ id, mass }) => [id, mass / sum]));
}

describe("laws", () => {
  // Logits in steps of 1/8: many exact ties, and no set whose mass is within rounding of the border.
  const settings = fc.record({
    temperature: fc.constantFrom(0.3, 0.7, 1, 1.7),
    topK: fc.constantFrom(0, 0, 1, 5, 400),
    topP: fc.constantFrom(1, 0.9137, 0.5129, 0.0371),
    minP: fc.constantFrom(0, 0, 0.0512, 0.3127),
  });
  test("processLogits equals the definition by full sorts, ties included", () => {
    const values = fc.array(fc.integer({ min: -80, max: 40 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(values, settings, (eighths, fields) => {
        const logits = eighths.map((value) => value / 8);
        const sampling = at(fields);
        const actual = processLogits(Float32Array.from(logits), sampling, []);
        const expected = reference(logits, sampling);
        const support = logits.map((_, id) => id).filter((id) => probabilityOf(actual, id) > 0);
        expect(support).toEqual(
          [...expected.keys()].filter((id) => expected.get(id)! > 1e-44).toSorted((a, b) => a - b),
        );
        for (const [id, p] of expected) {
          expect(Math.abs(probabilityOf(actual, id) - p)).toBeLessThan(1e-6);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("errors", () => {
  test.each<[Partial<Sampling>, string]>([
    [{ temperature: -1 }, "sampling: temperature must be at least 0, got -1"],
    [{ temperature: Number.NaN }, "sampling: temperature must be at least 0, got NaN"],
    [{ temperature: Infinity }, "sampling: temperature must be at least 0, got Infinity"],
    [{ topK: 1.5 }, "sampling: topK must be an integer of at least 0, got 1.5"],
    [{ topP: 0 }, "sampling: topP must be in (0, 1], got 0"],
    [{ minP: 1 }, "sampling: minP must be in [0, 1), got 1"],
    [{ typicalP: 2 }, "sampling: typicalP must be in (0, 1], got 2"],
    [{ repetitionPenalty: 0 }, "sampling: repetitionPenalty must be above 0, got 0"],
    [{ frequencyPenalty: Infinity }, "sampling: frequencyPenalty must be finite, got Infinity"],
    [{ presencePenalty: Number.NaN }, "sampling: presencePenalty must be finite, got NaN"],
  ])("%o", (fields, message) => {
    expect(() => checkSampling({ ...defaultSampling, ...fields })).toThrow(message);
  });

  test("undefined fields are absent", () => {
    expect(resolveSampling({ temperature: undefined, topK: 3 })).toEqual({
      ...defaultSampling,
      topK: 3,
    });
  });

  test("no mass", () => {
    expect(() => processLogits(Float32Array.of(-Infinity), defaultSampling, [])).toThrow(
      "processLogits: no mass in 1 logits",
    );
    const sampling = { ...defaultSampling, temperature: 1, topP: 0.9 };
    expect(() => processLogits(Float32Array.of(1, Number.NaN), sampling, [])).toThrow(
      "processLogits: no mass in 2 logits",
    );
  });
});
