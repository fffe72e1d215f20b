import { createRng } from "@veridraft/core-probs";
import { createTokenizer, type Tokenizer } from "@veridraft/tokenization";
import {
  decomposeTokens,
  globalWeights,
  localWeights,
  meanRow,
  type Mixture,
  mixRows,
  nearestRows,
  normalizeRows,
  normalRow,
  reTok,
  selfEmbedding,
  tokenAdapt,
  type TokenAdaptOptions,
} from "@veridraft/tokenization/systems";
import { trainBpe } from "@veridraft/tokenization/training";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

/** The largest difference. */
const apart = (actual: ArrayLike<number>, expected: ArrayLike<number>): number =>
  actual.length === expected.length
    ? Math.max(...Array.from(actual, (value, i) => Math.abs(value - expected[i])))
    : Infinity;
/** Of another width for few texts than for many. */
const uneven = (some: readonly string[]): Float32Array =>
  new Float32Array(some.length * (some.length > 100 ? 2 : 3));
const none = (): Float32Array => {
  throw new Error("every token has an estimate here");
};

// The numbers of the source: "hello world" as "hello", " wor", "ld", T = .3.
const local = localWeights(Float32Array.of(0.8, 0.6, 0), [5, 4, 2], 11, 0.3);
const localRows = Float32Array.of(1, 0, 0, 1, 2, 2);
const neighborRows = Float32Array.of(1, 1, 0, 2, -1, 0);

describe("weights", () => {
  test("local", () => {
    expect(apart(local, [0.459617, 0.345735, 0.194648])).toBeLessThan(1e-4);
    const mixture: Mixture = { ids: [0, 1, 2], weights: local, source: "local" };
    expect(apart(mixRows([mixture], localRows, 2, none), [0.848912, 0.735031])).toBeLessThan(1e-3);
    const plain: Mixture = { ...mixture, weights: [1 / 3, 1 / 3, 1 / 3] };
    expect(apart(mixRows([plain], localRows, 2, none), [1, 1])).toBeLessThan(1e-6);
  });

  test("global, and with a threshold", () => {
    const cosines = Float32Array.of(0.9, 0.7, 0.5);
    const weights = globalWeights(cosines, 0.3) as Float32Array;
    expect(apart(weights, [0.562742, 0.288921, 0.148337])).toBeLessThan(1e-4);
    const mixture: Mixture = { ids: [0, 1, 2], weights, source: "global" };
    expect(apart(mixRows([mixture], neighborRows, 2, none), [0.414405, 1.140584])).toBeLessThan(
      1e-3,
    );
    expect(
      apart(globalWeights(cosines, 0.3, 0.6) as Float32Array, [0.660756, 0.339244, 0]),
    ).toBeLessThan(1e-4);
    expect(globalWeights(cosines, 0.3, 0.95)).toBeNull();
  });

  test("hybrid", () => {
    const weights = globalWeights(Float32Array.of(0.9, 0.7, 0.5), 0.3) as Float32Array;
    const table = Float32Array.of(...localRows, ...neighborRows);
    const mixture: Mixture = {
      ids: [0, 1, 2, 3, 4, 5],
      weights: [...local.map((w) => 0.7 * w), ...weights.map((w) => 0.3 * w)],
      source: "hybrid",
    };
    expect(apart(mixRows([mixture], table, 2, none), [0.71856, 0.856697])).toBeLessThan(1e-3);
  });

  test("are shares, follow their pieces, and go from the argmax to the mean", () => {
    const piece = fc.tuple(
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 9 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), (pieces) => {
        const of = (some: typeof pieces, temperature: number): Float32Array => {
          const full = some.reduce((sum, [, length]) => sum + length, 0);
          const lengths = some.map(([, length]) => length);
          return localWeights(
            Float32Array.from(some, ([cosine]) => cosine),
            lengths,
            full,
            temperature,
          );
        };
        const weights = of(pieces, 0.3);
        expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
        expect(weights.every((weight) => weight >= 0)).toBe(true);
        expect(apart(of(pieces.toReversed(), 0.3), Array.from(weights).toReversed())).toBeLessThan(
          1e-4,
        );
        expect(
          apart(
            of(pieces, 1e6),
            pieces.map(() => 1 / pieces.length),
          ),
        ).toBeLessThan(1e-3);
      }),
    );
    expect(apart(localWeights(Float32Array.of(0.1, 0.9), [1, 1], 2, 1e-4), [0, 1])).toBeLessThan(
      1e-6,
    );
  });
});

test("nearest rows are those of a sort by cosine", () => {
  const rows = normalizeRows(Float32Array.of(1, 0, 3, 3, 0, 0, 0, -2), 2);
  expect(apart(rows, [1, 0, Math.SQRT1_2, Math.SQRT1_2, 0, 0, 0, -1])).toBeLessThan(1e-6);
  const { ids, similarities } = nearestRows(rows, Float32Array.of(1, 0), 3);
  expect([...ids]).toEqual([0, 1, 2]);
  expect(apart(similarities, [1, Math.SQRT1_2, 0])).toBeLessThan(1e-6);
});

const texts = ["the rain in Spain stays mainly in the plain, in the main 😀😀"];
const old = createTokenizer(await trainBpe(texts, { vocabSize: 262, special: ["<|endoftext|>"] }));
const fresh = createTokenizer(
  await trainBpe(texts, { vocabSize: 285, special: ["<|pad|>", "<|endoftext|>"] }),
);
const width = 8;
const key = createRng(7);
const rng = key.at(0, "sample");
const table = Float32Array.from({ length: old.vocabSize * width }, () => rng.uniform() - 0.5);
const embed = selfEmbedding(old, table, width);
const adapt = (options: TokenAdaptOptions, tokenizer: Tokenizer = fresh): Promise<Mixture[]> =>
  tokenAdapt(old, tokenizer, embed, options);

describe("decomposeTokens()", () => {
  const tokens = decomposeTokens(old, fresh);

  test("shares what has the same bytes and kind, whatever its id", () => {
    const end = fresh.idOf("<|endoftext|>") as number;
    expect(tokens[end].shared).toBe(old.idOf("<|endoftext|>"));
    expect(tokens[fresh.idOf("<|pad|>") as number].shared).toBeUndefined();
    expect(tokens[fresh.idOf("a") as number].shared).toBe(old.idOf("a"));
    expect(tokens.filter(({ shared }) => shared !== undefined).length).toBeGreaterThan(256);
  });

  test("pieces are the token's bytes, lengths add up, and parts of characters are bytes", () => {
    tokens.forEach(({ pieces, lengths, length, text }, id) => {
      if (fresh.isSpecial(id)) return;
      const spelled = Array.from(pieces).flatMap((piece) => [...old.tokenBytes(piece)]);
      expect(spelled).toEqual([...fresh.tokenBytes(id)]);
      expect(lengths.reduce((sum, each) => sum + each, 0)).toBe(length);
      const bytes = fresh.tokenBytes(id).length;
      expect(length).toBe(text === undefined ? bytes : Math.min(length, bytes));
    });
    expect(tokens.some(({ text, length }, id) => text === undefined && length > 1 && id > 1)).toBe(
      true,
    );
  });
});

describe("tokenAdapt()", () => {
  test("the same tokenizer gives the same table, to the bit", async () => {
    const mixtures = await adapt({}, old);
    expect(mixtures.every(({ source }) => source === "copied")).toBe(true);
    expect(mixRows(mixtures, table, width, none)).toEqual(table);
    expect(mixRows(reTok(old, old), table, width, none)).toEqual(table);
  });

  test("weights 0 and 1 are one estimate alone, and between them it is their mean", async () => {
    const [zero, half, one] = await Promise.all(
      [0, 0.5, 1].map((globalWeight) => adapt({ globalWeight })),
    );
    const id = fresh.vocabSize - 1;
    expect([zero, half, one].map((mixtures) => mixtures[id].source)).toEqual([
      "local",
      "hybrid",
      "global",
    ]);
    const [a, b, c] = [zero, half, one].map((mixtures) =>
      mixRows([mixtures[id]], table, width, none),
    );
    expect(
      apart(
        b,
        Array.from(a, (value, d) => (value + c[d]) / 2),
      ),
    ).toBeLessThan(1e-4);
  });

  test("a threshold above all similarities leaves the local estimate", async () => {
    // A text and an old token of its direction would have 1.
    const far = await tokenAdapt(
      old,
      fresh,
      (some) => Float32Array.from(some.flatMap((_, i) => [some.length > 100 ? 1 : 0, i % 2 || 1])),
      { threshold: 1 },
    );
    const near = await adapt({ globalWeight: 0 });
    expect(far.filter(({ source }) => source === "hybrid")).toHaveLength(0);
    expect(far.map(({ ids }) => Array.from(ids))).toEqual(near.map(({ ids }) => Array.from(ids)));
  });

  test("weights sum to 1, and a control token without a partner has no estimate", async () => {
    const mixtures = await adapt({});
    const pad = fresh.idOf("<|pad|>") as number;
    mixtures.forEach(({ weights, source }, id) => {
      const sum = Array.from(weights).reduce((total, weight) => total + weight, 0);
      expect(sum).toBeCloseTo(id === pad ? 0 : 1, 5);
      expect(source === "none").toBe(id === pad);
    });
  });
});

test("missing rows: the mean, or normal with the table's moments", () => {
  expect(apart(meanRow(Float32Array.of(1, 2, 3, 6), 2)(), [2, 4])).toBeLessThan(1e-6);
  const draw = normalRow(Float32Array.of(1, 3, 1, 3), 1000, key.at(1, "sample"));
  const row = Array.from(draw());
  const mean = row.reduce((sum, value) => sum + value, 0) / 1000;
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 1000;
  expect(Math.abs(mean - 2)).toBeLessThan(0.15);
  expect(Math.abs(variance - 1)).toBeLessThan(0.2);
});

test("what does not fit is an error", async () => {
  expect(() => mixRows([], new Float32Array(3), 2, none)).toThrow(
    "mixRows: the table must be [rows, 2], got 3 numbers",
  );
  await expect(tokenAdapt(old, fresh, uneven)).rejects.toThrow(
    "tokenAdapt: embed must give vectors of one width, got 2 for old and 3 for new tokens",
  );
  await expect(adapt({ temperature: 0 })).rejects.toThrow(
    "tokenAdapt: temperature must be > 0, globalWeight in [0, 1] and neighbors >= 1, got 0, 0.3 and 3",
  );
});
