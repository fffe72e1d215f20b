import { createRng, type Purpose } from "@veridraft/core-probs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { philox, roundKeys } from "../src/philox.ts";

/** Wilson-Hilferty: z of a chi-square value; p > 1e-3 is z < 3.09. */
function chiSquareZ(counts: ArrayLike<number>, probs: ArrayLike<number>, draws: number): number {
  let chi = 0;
  for (let i = 0; i < probs.length; i++) {
    chi += (counts[i] - draws * probs[i]) ** 2 / (draws * probs[i]);
  }
  const freedom = probs.length - 1;
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(chi / freedom) - (1 - spread)) / Math.sqrt(spread);
}

function words(text: string): number[] {
  return text.split(" ").map((word) => Number.parseInt(word, 16) | 0);
}

function firstWord(purpose: Purpose): number {
  return createRng(1).at(7, purpose).uniform() * 2 ** 32;
}

describe("philox", () => {
  // The known-answer vectors of Random123 1.14, "philox4x32 10".
  test.each([
    [
      "00000000 00000000 00000000 00000000",
      "00000000 00000000",
      "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ],
    [
      "ffffffff ffffffff ffffffff ffffffff",
      "ffffffff ffffffff",
      "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ],
    [
      "243f6a88 85a308d3 13198a2e 03707344",
      "a4093822 299f31d0",
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    ],
  ])("counter %s key %s", (counter, key, expected) => {
    const [c0, c1, c2, c3] = words(counter);
    const [low, high] = words(key);
    const out = new Int32Array(4);
    philox(c0, c1, c2, c3, roundKeys(low, high), out);
    expect([...out]).toEqual(words(expected));
  });
});

// Golden vectors: philox4x32-10 and the groups of token noise in Python, key (1, 0), counter (block, position, purpose, 0).
describe("createRng", () => {
  test("uniform", () => {
    const stream = createRng(1).at(0, "sample");
    const drawn = Array.from({ length: 5 }, () => stream.uniform() * 2 ** 32);
    expect(drawn).toEqual([117906450, 1115841718, 956895307, 1839381922, 995334991]);
  });

  test("purposes and seeds differ", () => {
    expect([firstWord("sample"), firstWord("draft"), firstWord("accept")]).toEqual([
      3929796272, 1694603354, 3837318755,
    ]);
    const wide = createRng(2n ** 64n - 1n).at(123456, "sample");
    expect(wide.uniform() * 2 ** 32).toBe(3948430818);
    expect(createRng(5n).at(1, "draft").uniform()).toBe(createRng(5).at(1, "draft").uniform());
  });

  test("gumbel", () => {
    const flat = new Float32Array(10);
    const ids = Array.from({ length: 16 }, (_, i) =>
      createRng(1).at(i, "sample").gumbel(flat, null),
    );
    expect(ids).toEqual([2, 7, 8, 8, 8, 0, 7, 4, 3, 8, 1, 7, 1, 2, 6, 4]);
    const wide = new Float32Array(49152);
    expect(createRng(1).at(3, "sample").gumbel(wide, null)).toBe(48581);
    expect(createRng(1).at(4, "sample").gumbel(wide, null)).toBe(16457);
  });

  test("gumbel over sparse ids equals gumbel over a dense row that masks the others", () => {
    const logit = fc.oneof(fc.float({ min: -20, max: 20, noNaN: true }), fc.constant(-Infinity));
    fc.assert(
      fc.property(
        fc.array(logit, { minLength: 1, maxLength: 60 }),
        fc.nat(1e6),
        (values, position) => {
          const dense = Float32Array.from(values);
          fc.pre(dense.some((value) => value > -Infinity));
          const ids = values.map((_, i) => i).filter((i) => dense[i] > -Infinity);
          const sparse = Float32Array.from(ids, (i) => dense[i]);
          const stream = createRng(3).at(position, "draft");
          expect(stream.gumbel(sparse, ids)).toBe(stream.gumbel(dense, null));
        },
      ),
    );
  });

  test("a draw does not depend on the draws of other streams or on gumbel before it", () => {
    const key = createRng(9);
    const stream = key.at(4, "sample");
    stream.gumbel(Float32Array.of(1, 2, 3), null);
    key.at(5, "sample").uniform();
    expect(stream.uniform()).toBe(createRng(9).at(4, "sample").uniform());
  });

  test("bernoulli and categorical keep their promises at the borders", () => {
    const stream = createRng(1).at(0, "accept");
    for (let i = 0; i < 100; i++) {
      expect(stream.bernoulli(0)).toBe(false);
      expect(stream.bernoulli(-1)).toBe(false);
      expect(stream.bernoulli(1)).toBe(true);
      expect(stream.categorical([0, 3, 0])).toBe(1);
    }
  });

  test("categorical and gumbel follow their weights (chi-square, p > 1e-3)", () => {
    const probs = Float32Array.from({ length: 40 }, (_, i) => (i + 1) / 820);
    const logits = probs.map(Math.log);
    const categorical = new Float64Array(40);
    const gumbel = new Float64Array(40);
    const key = createRng(17);
    const draws = 40_000;
    for (let i = 0; i < draws; i++) {
      categorical[key.at(i, "draft").categorical(probs)]++;
      gumbel[key.at(i, "sample").gumbel(logits, null)]++;
    }
    expect(chiSquareZ(categorical, probs, draws)).toBeLessThan(3.09);
    expect(chiSquareZ(gumbel, probs, draws)).toBeLessThan(3.09);
  });

  test("errors", () => {
    const stream = createRng(1).at(0, "sample");
    expect(() => createRng(-1)).toThrow("createRng: seed must be in [0, 2^64), got -1");
    expect(() => createRng(2n ** 64n)).toThrow("createRng: seed must be in [0, 2^64)");
    expect(() => createRng(0.5)).toThrow(
      "createRng: a number as seed must be a safe integer, got 0.5",
    );
    expect(() => stream.categorical([0, 0])).toThrow("categorical: none of 2 weights is positive");
    expect(() => stream.gumbel([-Infinity], null)).toThrow("gumbel: all 1 logits are masked");
  });
});
