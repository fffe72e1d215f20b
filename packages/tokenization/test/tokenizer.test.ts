import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRng } from "@veridraft/core-probs";
import { createPreTokenizer, type Vocabulary } from "@veridraft/tokenization";
import { bytePieces, naiveEncode, smallTokenizer, trainMerges } from "./vocabularies.ts";

const merges = ["h e", "l l", "he ll", "hell o", "Ġ hello", "Ġ a", "Ã ©"];
const special = ["<|end|>", "<|end|>more", "<|start|>"];
const tokenizer = smallTokenizer(merges, special);
const id = (text: string): number => tokenizer.idOf(text) as number;

describe("encode()", () => {
  it("merges inside pieces only", () => {
    expect([...tokenizer.encode("hello hello")]).toEqual([id("hello"), id(" hello")]);
    expect([...tokenizer.encode("")]).toEqual([]);
    expect(tokenizer.algorithm).toBe("linear");
  });

  it("reads control tokens as text unless asked", () => {
    const plain = tokenizer.encode("<|end|>");
    expect([...plain].some((token) => tokenizer.isSpecial(token))).toBe(false);
    expect(tokenizer.decode(plain)).toBe("<|end|>");
    expect([...tokenizer.encode("a<|end|>a", { special: true })]).toEqual([97, id("<|end|>"), 97]);
  });

  it("prefers the longest of the control tokens that start at one place", () => {
    expect([...tokenizer.encode("<|end|>more", { special: true })]).toEqual([id("<|end|>more")]);
  });

  it("cuts user-defined tokens out of any text", () => {
    const user = smallTokenizer(merges, ["[X]"], {
      specialIds: new Set(),
      userDefinedIds: new Set([263]),
    });
    expect([...user.encode("a[X]a")]).toEqual([97, 263, 97]);
    expect(user.isSpecial(263)).toBe(false);
  });

  it("turns lone surrogates into U+FFFD", () => {
    expect(tokenizer.decode(tokenizer.encode("a\ud800b\udc00😀"))).toBe("a\ufffdb\ufffd😀");
  });

  it("takes a whole piece as one token where merges are ignored", () => {
    // "b c" hides "abc" from the merges.
    const hiding = ["b c", "a b", "ab c"];
    const [follows, ignores] = [false, true].map((ignoreMerges) =>
      smallTokenizer(hiding, [], { ignoreMerges }),
    );
    expect([...follows.encode("abc")].map(follows.piece)).toEqual(["a", "bc"]);
    expect([...ignores.encode("abc abc")].map(ignores.piece)).toEqual(["abc", " ", "a", "bc"]);
  });

  it("normalizes where the vocabulary says so", () => {
    const composed = smallTokenizer(merges, [], { normalizer: "NFC" });
    expect([...composed.encode("e\u0301")].map(composed.piece)).toEqual(["é"]);
  });

  it("equals the definition on 6,000 strings over random vocabularies", () => {
    const rng = createRng(6000).at(0, "sample");
    const pick = (units: readonly string[]): string =>
      units[Math.floor(rng.uniform() * units.length)];
    const random = (length: number): string =>
      Array.from({ length }, () => pick(["a", "b", "c", "ab", " ", "é", "\n", "😀", "1"])).join("");
    let differences = 0;
    for (let round = 0; round < 60; round++) {
      const spelled = [...Buffer.from(random(300))].map((byte) => bytePieces[byte]).join("");
      const words = spelled.split(/(?=Ġ)/);
      const learned = trainMerges(words, 40);
      const learner = smallTokenizer(learned);
      const { preTokenizer } = learner.vocabulary as Vocabulary;
      for (let i = 0; i < 100; i++) {
        const text = random(1 + Math.floor(rng.uniform() * 40));
        const expected: string[] = [];
        preTokenizer.split(text, (piece) => {
          const symbols = [...Buffer.from(piece)].map((byte) => bytePieces[byte]).join("");
          expected.push(...naiveEncode(symbols, learned));
        });
        const pieces = Array.from(
          learner.encode(text),
          (token) => learner.vocabulary.pieces[token],
        );
        if (pieces.join("|") !== expected.join("|")) differences++;
      }
    }
    expect(differences).toBe(0);
  });

  it("takes a text of any length as one piece where nothing splits it", () => {
    const whole = smallTokenizer(merges, [], {
      preTokenizer: createPreTokenizer({ type: "ByteLevel", use_regex: false }),
    });
    const text = "hello ".repeat(500);
    expect(whole.decode(whole.encode(text))).toBe(text);
    expect(whole.explain().split).toBe("regex");
  });

  it("gives the same ids cold and warm, for pieces of any length", () => {
    const long = "hello".repeat(2000);
    for (const text of [long, "hello", "é".repeat(70)]) {
      const cold = [...smallTokenizer(merges).encode(text)];
      tokenizer.encode(text);
      expect([...tokenizer.encode(text)]).toEqual(cold);
      expect(tokenizer.count(text)).toBe(cold.length);
    }
  });
});

describe("decode()", () => {
  it("is the inverse of encode", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(tokenizer.count(text)).toBe(ids.length);
      }),
      { numRuns: 500 },
    );
  });

  it("keeps control tokens, or leaves them out", () => {
    const ids = [id("hello"), id("<|end|>"), id(" a")];
    expect(tokenizer.decode(ids)).toBe("hello<|end|> a");
    expect(tokenizer.decode(ids, { special: "skip" })).toBe("hello a");
    expect(tokenizer.decode([])).toBe("");
  });

  it("keeps a byte order mark", () => {
    expect(tokenizer.decode(tokenizer.encode("\ufeffa"))).toBe("\ufeffa");
  });

  it("rejects ids outside the vocabulary", () => {
    const { vocabSize } = tokenizer;
    for (const bad of [-1, vocabSize, 1.5, NaN]) {
      const message = `id must be an integer in [0, ${vocabSize}), got ${bad}`;
      expect(() => tokenizer.decode([0, bad])).toThrow(`decode: ${message}`);
      expect(() => tokenizer.tokenBytes(bad)).toThrow(`tokenBytes: ${message}`);
      expect(() => tokenizer.piece(bad)).toThrow(`piece: ${message}`);
      expect(() => tokenizer.isSpecial(bad)).toThrow(`isSpecial: ${message}`);
    }
  });
});

describe("piece() and idOf()", () => {
  it("show text, and bytes where there is no whole character", () => {
    const odd = smallTokenizer(["Ã ©", "Ġ Ã"]);
    expect(odd.piece(0x20)).toBe(" ");
    expect(odd.piece(0xe2)).toBe("\\xE2");
    expect(odd.piece(256)).toBe("é");
    expect(odd.piece(257)).toBe(" \\xC3");
    expect(odd.idOf("é")).toBe(256);
    expect(odd.idOf("nothing")).toBeUndefined();
    expect(tokenizer.piece(id("<|start|>"))).toBe("<|start|>");
  });
});

describe("sha256", () => {
  it("changes with everything that changes ids, and with nothing else", () => {
    const same = smallTokenizer(merges, special, { eosId: 3, endIds: new Set([3]), addBos: true });
    expect(same.sha256).toBe(tokenizer.sha256);
    expect(tokenizer.sha256).toMatch(/^[0-9a-f]{64}$/);
    const others = [
      smallTokenizer(merges.slice(0, -1), special),
      smallTokenizer(merges.toReversed(), special),
      smallTokenizer(merges, special.slice(1)),
      smallTokenizer(merges, special, { specialIds: new Set() }),
      smallTokenizer(merges, special, { normalizer: "NFC" }),
      smallTokenizer(merges, special, { ignoreMerges: true }),
      smallTokenizer(merges, special, {
        preTokenizer: createPreTokenizer({ type: "ByteLevel", use_regex: false }),
      }),
    ];
    const digests = new Set([tokenizer, ...others].map(({ sha256 }) => sha256));
    expect(digests.size).toBe(others.length + 1);
  });
});
