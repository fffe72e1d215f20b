import { exactLaw } from "@veridraft/core-probs/testing";
import {
  ByteBeam,
  type ByteBeamOptions,
  bytePrefixLogProb,
  canonicalSequences,
  endOfBytes,
} from "@veridraft/tokenization/bytes";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bruteForce,
  byteToy,
  type ByteToy,
  healingToy,
  independentToy,
  type Law,
  markovToy,
} from "./byte-models.ts";

const exact = { beam: Infinity, threshold: 0 };
const byte = (letter: string): number => letter.charCodeAt(0);

async function beamAfter(toy: ByteToy, text: string, options: ByteBeamOptions = exact) {
  const beam = await ByteBeam.open(toy.model, toy.trie, [toy.bos], options);
  // oxlint-disable-next-line no-await-in-loop -- bytes come one after the other
  for (const letter of text) await beam.advance(byte(letter));
  return beam;
}

// Byte-probs, section 5: the chain over bytes.
test.each(["A", "BA", "AAA", "AA"])(
  "after %s the next byte is A with probability .4",
  async (text) => {
    const beam = await beamAfter(markovToy, text);
    expect(beam.next()[byte("A")]).toBeCloseTo(0.4, 6);
    expect(beam.next()[byte("B")]).toBeCloseTo(0.6, 6);
  },
);

test.each([
  ["A", 0.5],
  ["BA", 0.35],
  ["AAA", 0.08],
  ["BAAB", 0.084],
])("P(%s) = %f", async (text, expected) => {
  expect(Math.exp((await beamAfter(markovToy, text)).logProb)).toBeCloseTo(expected, 7);
});

test("after ab, where healing fails: c .6, a .4", async () => {
  const law = (await beamAfter(healingToy, "ab")).next();
  expect([law[byte("c")], law[byte("a")]]).toEqual([
    expect.closeTo(0.6, 6),
    expect.closeTo(0.4, 6),
  ]);
});

// Byte-probs, section 5: all encodings and canonical ones of independent tokens.
test.each([
  ["a", 0.5, 0.5],
  ["ab", 0.36, 0.3],
  ["abc", 0.153, 0.1],
  ["abb", 0.069, 0.06],
])("P(%s) = %f over all encodings, %f over canonical ones", async (text, all, canonical) => {
  const allowed = canonicalSequences(independentToy.tokenizer);
  expect(Math.exp((await beamAfter(independentToy, text)).logProb)).toBeCloseTo(all, 7);
  const filtered = await beamAfter(independentToy, text, { ...exact, allowed });
  expect(Math.exp(filtered.logProb)).toBeCloseTo(canonical, 7);
});

test("laws of independent tokens", async () => {
  const afterAb = (await beamAfter(independentToy, "ab")).next();
  expect(afterAb[byte("a")]).toBeCloseTo(0.31944, 5);
  expect(afterAb[byte("b")]).toBeCloseTo(0.19167, 5);
  expect(afterAb[byte("c")]).toBeCloseTo(0.425, 5);
  expect(afterAb[endOfBytes]).toBeCloseTo(0.06389, 5);
  expect((await beamAfter(independentToy, "a")).next()[byte("b")]).toBeCloseTo(0.72, 6);
  // Canonical: .3 of ab and abc over .5, and .2 (a .2, c .1, ab .2, abc .1, end .1) after a; b and bc after a are not canonical.
  const allowed = canonicalSequences(independentToy.tokenizer);
  const canonical = (await beamAfter(independentToy, "a", { ...exact, allowed })).next();
  expect(canonical[byte("b")]).toBeCloseTo(0.3 / (0.3 + 0.2 * 0.7), 6);
});

describe("laws", () => {
  const merges = ["b c", "a b", "a bc", "c a", "a a"];
  const tokens = ["a", "b", "c", "bc", "ab", "abc", "ca", "aa", ""];
  const rows = fc.array(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 9, maxLength: 9 }), {
    minLength: 10,
    maxLength: 10,
  });
  const texts = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 6 });

  /** The law after each token, and at the start; single letters and the end always have some mass. */
  function markov(weights: number[][]): ByteToy {
    const laws = weights.map((row): Law => {
      const raised = row.map((weight, i) => (i < 3 || i === 8 ? weight + 1 : weight));
      const total = raised.reduce((a, b) => a + b);
      const positive = tokens.map((token, i) => [token, raised[i] / total] as const);
      return Object.fromEntries(positive.filter(([, p]) => p > 0));
    });
    return byteToy(merges, (history) => laws[tokens.indexOf(history.at(-1) ?? "none") + 1]);
  }

  test("with no bound the beam is the sum over all segmentations, and the chain rule holds", async () => {
    await fc.assert(
      fc.asyncProperty(rows, texts, async (weights, text) => {
        const toy = markov(weights);
        const beam = await ByteBeam.open(toy.model, toy.trie, [toy.bos], exact);
        let logProb = 0;
        for (const letter of text) {
          const law = beam.next();
          expect(law.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
          logProb += Math.log(law[byte(letter)]);
          const before = beam.logProb;
          // oxlint-disable-next-line no-await-in-loop -- bytes come one after the other
          await beam.advance(byte(letter));
          expect(beam.logProb).toBeLessThanOrEqual(before + 1e-9);
        }
        expect(beam.logProb).toBeCloseTo(Math.log(bruteForce(toy.law, text)), 5);
        expect(beam.logProb).toBeCloseTo(logProb, 5);
      }),
      { numRuns: 30 },
    );
  });

  test("filtered, it is the sum over the canonical covers; bounded, it is never more", async () => {
    await fc.assert(
      fc.asyncProperty(rows, texts, async (weights, text) => {
        // A model that excludes a canonical token gives some texts no canonical encoding at all.
        const toy = markov(weights.map((row) => row.map((weight) => weight + 1)));
        const allowed = canonicalSequences(toy.tokenizer);
        const covers = await bytePrefixLogProb(
          toy.model,
          toy.trie,
          [toy.bos],
          Buffer.from(text),
          allowed,
        );
        const beam = await beamAfter(toy, text, { ...exact, allowed });
        expect(beam.logProb).toBeCloseTo(covers, 5);
        const full = await beamAfter(toy, text);
        const bounded = await beamAfter(toy, text, { beam: 2, threshold: 0.01 });
        expect(bounded.hypotheses.length).toBeLessThanOrEqual(2);
        expect(bounded.logProb).toBeLessThanOrEqual(full.logProb + 1e-9);
      }),
      { numRuns: 20 },
    );
  });

  test("a drawn cover and tokens after it have the law of the bytes", async () => {
    const toy = markov(Array.from({ length: 10 }, (_, i) => tokens.map((__, j) => (i * j) % 4)));
    const law = await exactLaw(async (key) => {
      const beam = await beamAfter(toy, "a");
      const said = [...beam.drawTokens(key.at(0, "sample"))].map(toy.tokenizer.piece);
      for (let step = 1; said.join("").length < 3 && said.at(-1) !== ""; step++) {
        const next = Object.entries(toy.law(said));
        said.push(next[key.at(step, "sample").categorical(next.map(([, p]) => p))][0]);
      }
      return said.join("").slice(0, 3);
    });
    for (const [text, p] of law) {
      if (text.length < 3) continue;
      expect(p).toBeCloseTo(bruteForce(toy.law, text) / bruteForce(toy.law, "a"), 6);
    }
    expect([...law.values()].reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  });
});

test("an emptied beam is healed by shorter tokens", async () => {
  // One hypothesis: abc, for which abb has no longer token; a is committed, b and b follow.
  const beam = await beamAfter(independentToy, "ab", { beam: 1 });
  expect(beam.hypotheses).toEqual([{ ids: [256 + 1], unfinished: new Uint8Array() }]);
  const narrow = byteToy(["b c", "a bc"], () => ({ a: 0.1, b: 0.1, c: 0.1, abc: 0.6, "": 0.1 }));
  const healed = await beamAfter(narrow, "abb", { beam: 1 });
  expect(healed.hypotheses[0].ids.map(narrow.tokenizer.piece)).toEqual(["a", "b", "b"]);
  expect(Math.exp(healed.logProb)).toBeCloseTo(0.1 ** 3, 8);
});

test("a fork goes its own way", async () => {
  const beam = await beamAfter(markovToy, "B");
  const copy = beam.fork();
  await copy.advance(byte("A"));
  await beam.advance(byte("B"));
  beam.dispose();
  expect(Math.exp(copy.logProb)).toBeCloseTo(0.35, 7);
  expect(copy.next()[byte("A")]).toBeCloseTo(0.4, 6);
  copy.dispose();
});

test("a byte that no token goes on with is an error that changes nothing", async () => {
  const beam = await beamAfter(markovToy, "A");
  await expect(beam.advance(byte("C"))).rejects.toThrow(
    "ByteBeam.advance: no token goes on with byte 67 here",
  );
  expect(beam.next()[byte("A")]).toBeCloseTo(0.4, 6);
});

test("arguments out of range", async () => {
  const { model, trie, bos } = markovToy;
  const open = (context: number[], options?: ByteBeamOptions) =>
    ByteBeam.open(model, trie, context, options);
  await expect(open([])).rejects.toThrow("ByteBeam: needs at least 1 id as context, got 0");
  await expect(open([bos], { beam: 0 })).rejects.toThrow("ByteBeam: beam must be >= 1, got 0");
  await expect(open([bos], { threshold: 1 })).rejects.toThrow(
    "ByteBeam: threshold must be in [0, 1), got 1",
  );
  await expect((await open([bos])).advance(256)).rejects.toThrow(
    "ByteBeam.advance: byte must be in [0, 256), got 256",
  );
});
