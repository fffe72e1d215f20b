import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHealer } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

const tokenizer = smallTokenizer(["/ /", ": //", "h t", "t p", "ht tp", "Ġ w", ": :"], ["<|x|>"]);
const healer = createHealer(tokenizer);
const id = (text: string): number => tokenizer.idOf(text) as number;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const pieces = (ids: Int32Array): string[] => [...ids].map(tokenizer.piece).toSorted();

describe("createHealer()", () => {
  it("takes the last token back where a longer one could stand for it", () => {
    const { ids, remainder } = healer.heal(tokenizer.encode("http:"));
    expect([...ids].map(tokenizer.piece)).toEqual(["http"]);
    expect(remainder).toEqual(bytes(":"));
    expect(pieces(healer.allowed(remainder))).toEqual([":", "://", "::"]);
    expect(healer.heal(tokenizer.encode("x")).remainder).toEqual(bytes(""));
  });

  it("takes more back only while a longer token could stand for all of it", () => {
    const ids = [id("http"), id(":"), id("/")];
    expect(healer.heal(ids, 3)).toEqual({
      ids: Int32Array.of(id("http")),
      remainder: bytes(":/"),
    });
    expect(healer.heal([id("<|x|>")], 1).remainder).toEqual(bytes(""));
    expect(healer.heal([id("<|x|>"), id(" ")], 2).ids).toEqual(Int32Array.of(id("<|x|>")));
    expect(healer.heal([], 1).ids).toEqual(new Int32Array());
  });

  it("allows tokens that spell a part, and goes on with the rest", () => {
    expect(pieces(healer.allowed(bytes(":/")))).toEqual([":", "://"]);
    expect(healer.advance(bytes(":/"), id(":"))).toEqual(bytes("/"));
    expect(pieces(healer.allowed(bytes("/")))).toEqual(["/", "//"]);
    expect(healer.advance(bytes("/"), id("//"))).toEqual(bytes(""));
    expect(healer.allowed(bytes("")).length).toBe(tokenizer.vocabSize - 1);
  });

  it("allows exactly the tokens of the definition", () => {
    const alphabet = fc.constantFrom(...":/htp wx");
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 5 }), (rest) => {
        const expected: number[] = [];
        for (let i = 0; i < tokenizer.vocabSize; i++) {
          const piece = Buffer.from(tokenizer.tokenBytes(i)).toString("latin1");
          if (!tokenizer.isSpecial(i) && (piece.startsWith(rest) || rest.startsWith(piece)))
            expected.push(i);
        }
        expect([...healer.allowed(bytes(rest))]).toEqual(expected);
      }),
    );
  });
});
