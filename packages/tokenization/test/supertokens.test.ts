import { readFileSync } from "node:fs";
import { createRng } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import { describe, expect, it } from "vitest";
import { createTokenizer } from "@veridraft/tokenization";
import {
  countPieces,
  randomWhitespaceSplit,
  type SplitText,
  trainBpe,
} from "@veridraft/tokenization/training";

function piecesOf(split: SplitText, text: string): string[] {
  const pieces: string[] = [];
  split(text, (piece) => pieces.push(piece));
  return pieces;
}

const split: SplitText = (text, emit) => text.split(" ").forEach((word) => emit(word));
const rng = createRng(4).at(0, "sample");

describe("randomWhitespaceSplit()", () => {
  it("cuts before each white space with probability p, independently", async () => {
    // Three places: the number of pieces is 1 + Binomial(3, p).
    const law = await exactLaw(
      (key) => piecesOf(randomWhitespaceSplit(0.3, key.at(0, "sample")), "a b\n c  d").length,
    );
    expect(law.get("1")).toBeCloseTo(0.343, 12);
    expect(law.get("2")).toBeCloseTo(0.441, 12);
    expect(law.get("3")).toBeCloseTo(0.189, 12);
    expect(law.get("4")).toBeCloseTo(0.027, 12);
    expect(piecesOf(randomWhitespaceSplit(1, rng), " a b\n c")).toEqual([" a", " b", "\n c"]);
    expect(piecesOf(randomWhitespaceSplit(0, rng), "a b\n c")).toEqual(["a b\n c"]);
  });

  it("trains tokens that span words, and fewer of them for a text", async () => {
    const text = readFileSync(new URL("../LICENSE", import.meta.url), "utf8");
    const words = createTokenizer(await trainBpe([text], { vocabSize: 1000 }));
    const whole = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
    const spans = createTokenizer(
      await trainBpe([text], {
        vocabSize: 1000,
        preTokenizer: whole,
        trainingSplit: randomWhitespaceSplit(0.3, rng),
        longestToken: 30,
      }),
    );
    expect(spans.decode(spans.encode(text))).toBe(text);
    expect(spans.count(text)).toBeLessThan(words.count(text));
    const spanning = spans.vocabulary.pieces.filter((piece) => /[a-z]Ġ[a-z]/.test(piece));
    expect(spanning.length).toBeGreaterThan(40);
  });

  it("rejects a probability that is none", () => {
    expect(() => randomWhitespaceSplit(NaN, rng)).toThrow(
      "randomWhitespaceSplit: p must be in [0, 1], got NaN",
    );
  });
});

describe("countPieces()", () => {
  it("counts what a stream of texts holds", async () => {
    const { counts, total, missedAtMost } = await countPieces(["a b a", "b c"], split);
    expect([...counts]).toEqual([
      ["a", 2],
      ["b", 2],
      ["c", 1],
    ]);
    expect([total, missedAtMost]).toEqual([5, 0]);
  });

  it("drops the rarest above its bound, and says by how much counts may be short", async () => {
    const texts = Array.from({ length: 100 }, (_, i) => `often often rare${i}`);
    const { counts, missedAtMost } = await countPieces(texts, split, 10);
    expect(counts.get("often")).toBe(200);
    expect(counts.size).toBeLessThanOrEqual(10);
    expect(missedAtMost).toBeGreaterThan(0);
    expect(missedAtMost).toBeLessThan(30);
  });

  it("rejects a bound that is none", async () => {
    await expect(countPieces([], split, 0)).rejects.toThrow(
      "countPieces: mostPieces must be >= 1, got 0",
    );
  });
});
