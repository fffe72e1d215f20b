import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PairRules } from "../src/bpe-linear.ts";
import { type Bpe, createBpe } from "../src/bpe.ts";
import { unspellAll } from "../src/byte-level.ts";
import { naiveEncode, piecesOf, trainMerges } from "./vocabularies.ts";

const utf8 = new TextEncoder();

function build(
  merges: readonly string[],
  pieces = piecesOf(merges),
): { bpe: Bpe; pieces: string[] } {
  const idOf = new Map(pieces.map((piece, id) => [piece, id]));
  return { bpe: createBpe({ idOf, merges, tokenBytes: unspellAll(pieces, new Set()) }), pieces };
}

function encode({ bpe, pieces }: { bpe: Bpe; pieces: string[] }, text: string): string[] {
  const bytes = utf8.encode(text);
  const out = new Int32Array(bytes.length);
  return [...out.subarray(0, bpe.encode(bytes, 0, bytes.length, out, 0))].map((id) => pieces[id]);
}

/** Alphabet a b c, from the test suite of rust-gems' crate bpe. */
const gems = ["a b", "c b", "a c", "b b", "cb b", "a cbb"];

describe("createBpe()", () => {
  it("encodes the prefixes of abacbb as worked by hand", () => {
    const vocabulary = build(gems);
    expect(vocabulary.bpe.algorithm).toBe("linear");
    const expected = {
      a: "a",
      ab: "ab",
      aba: "ab a",
      abac: "ab ac",
      abacb: "ab a cb",
      abacbb: "ab acbb",
    };
    for (const [text, pieces] of Object.entries(expected)) {
      expect(encode(vocabulary, text).join(" ")).toBe(pieces);
    }
  });

  it("knows which pairs stay as they are", () => {
    const rules = PairRules.empty(256 + gems.length);
    const [a, b, c] = utf8.encode("abc");
    const [ab, cb, ac, bb, cbb, acbb] = gems.map((_, rank) => 256 + rank);
    rules.add(a, b, ab);
    rules.add(c, b, cb);
    rules.add(a, c, ac);
    rules.add(b, b, bb);
    rules.add(cb, b, cbb);
    rules.add(a, cbb, acbb);
    expect(rules.isPair(ab, ac)).toBe(true);
    expect(rules.isPair(a, c)).toBe(false);
    expect(rules.isPair(a, cb)).toBe(true);
    expect(rules.isPair(ac, b)).toBe(false);
    expect(rules.isPair(ac, bb)).toBe(false);
    expect(rules.isPair(ab, cb)).toBe(true);
    expect(rules.isPair(b, c)).toBe(true);
  });

  it("equals the definition on trained vocabularies", () => {
    let strings = 0;
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 2, maxLength: 30 }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 40 }), {
          minLength: 20,
          maxLength: 20,
        }),
        (words, count, texts) => {
          const merges = trainMerges(words, count);
          const vocabulary = build(merges);
          expect(vocabulary.bpe.algorithm).toBe("linear");
          strings += texts.length;
          for (const text of [...texts, ...words]) {
            expect(encode(vocabulary, text)).toEqual(naiveEncode(text, merges));
          }
        },
      ),
      { numRuns: 300, seed: 1 },
    );
    expect(strings).toBe(6000);
  });

  it("equals the definition on merge lists that no trainer wrote", () => {
    const algorithms = new Set<string>();
    let dead = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 2, maxLength: 25 }),
        fc.infiniteStream(fc.nat()),
        fc.array(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 30 }), {
          minLength: 20,
          maxLength: 20,
        }),
        (choices, order, texts) => {
          // Random pairs of what exists, then shuffled: duplicates, dead tokens and parts made after their whole.
          const made = ["a", "b"];
          const merges: string[] = [];
          for (const [left, right] of choices) {
            const merge = `${made[left % made.length]} ${made[right % made.length]}`;
            const piece = merge.replace(" ", "");
            if (piece.length > 12) continue;
            if (!merges.includes(merge)) merges.push(merge);
            if (!made.includes(piece)) made.push(piece);
          }
          const shuffled = merges
            .map((merge) => ({ merge, key: order.next().value as number }))
            .toSorted((x, y) => x.key - y.key)
            .map(({ merge }) => merge);
          for (const list of [merges, shuffled]) {
            const vocabulary = build(list);
            algorithms.add(vocabulary.bpe.algorithm);
            dead += vocabulary.bpe.deadIds.length;
            for (const text of texts)
              expect(encode(vocabulary, text)).toEqual(naiveEncode(text, list));
          }
        },
      ),
      { numRuns: 200, seed: 2 },
    );
    expect([...algorithms].toSorted()).toEqual(["heap", "linear"]);
    expect(dead).toBeGreaterThan(0);
  });

  it("leaves out a token that its own bytes do not encode to", () => {
    // "b c" comes first, so "abc" is a|bc and the token abc, made from ab|c, never arises.
    const vocabulary = build(["b c", "a b", "ab c"]);
    expect(vocabulary.bpe.algorithm).toBe("linear");
    expect(vocabulary.bpe.deadIds.map((id) => vocabulary.pieces[id])).toEqual(["abc"]);
    expect(encode(vocabulary, "abcab")).toEqual(["a", "bc", "ab"]);
  });

  it("uses the heap where a part ranks after its whole", () => {
    const vocabulary = build(["ab c", "a b"]);
    expect(vocabulary.bpe.algorithm).toBe("heap");
    expect(encode(vocabulary, "abcab")).toEqual(["abc", "ab"]);
  });

  it("drops bytes that have no token, and names them", () => {
    const pieces = piecesOf(["a b"]).filter((piece) => piece !== "c");
    const vocabulary = build(["a b"], pieces);
    expect([...vocabulary.bpe.missingBytes]).toEqual([0x63]);
    expect(encode(vocabulary, "abcab")).toEqual(["ab", "ab"]);
  });

  it("does work in proportion to the length, whatever the text", () => {
    const doubling = ["a a", "aa aa", "aaaa aaaa", "b a", "a b", "ab ab"];
    const orders = { linear: doubling, heap: ["aa aa", "a a", "b a", "a b"] };
    for (const [algorithm, merges] of Object.entries(orders)) {
      for (const unit of ["a", "ab", "aab", "ba"]) {
        const work = [1000, 8000].map((length) => {
          const vocabulary = build(merges);
          expect(vocabulary.bpe.algorithm).toBe(algorithm);
          const before = vocabulary.bpe.operations;
          encode(vocabulary, unit.repeat(length));
          return vocabulary.bpe.operations - before;
        });
        // Linear: 8. With a logarithm: below 12.
        expect(work[1] / work[0]).toBeLessThan(12);
      }
    }
  });

  it("rejects merges that the vocabulary does not have", () => {
    expect(() => build(["a b"], piecesOf([]))).toThrow(
      'createBpe: merge 0, "a b", is not two pieces of the vocabulary that make a third',
    );
    expect(() => build(["ab"], piecesOf(["a b"]))).toThrow('createBpe: merge 0, "ab", is not');
  });
});
