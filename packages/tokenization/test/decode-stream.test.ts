import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createDecodeStream, type DecodeStreamOptions } from "@veridraft/tokenization";
import { smallTokenizer } from "./vocabularies.ts";

/** Bytes are ids 0..255, <|end|> is 256. */
const tokenizer = smallTokenizer([], ["<|end|>"]);
const end = 256;

function run(ids: readonly number[], options?: DecodeStreamOptions): string[] {
  const stream = createDecodeStream(tokenizer, options);
  return [...ids.map((id) => stream.push(id)), stream.end()];
}

const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

describe("createDecodeStream()", () => {
  it("emits whole characters only", () => {
    expect(run([0x68, 0xf0, 0x9f, 0x98, 0x80, 0xc3, 0xa9])).toEqual([
      "h",
      "",
      "",
      "",
      "😀",
      "",
      "é",
      "",
    ]);
  });

  it("emits U+FFFD for bytes that never become a character", () => {
    expect(run([0x68, 0xf0, 0x9f, 0x41, 0xc3])).toEqual(["h", "", "", "\ufffdA", "", "\ufffd"]);
  });

  it("passes a genuine U+FFFD and a byte order mark through", () => {
    expect(run(bytes("\ufeffa\ufffdb")).join("")).toBe("\ufeffa\ufffdb");
  });

  it("holds back what may become a stop text", () => {
    expect(run(bytes("ab\n\nc"), { stop: ["\n\n"] })).toEqual(["a", "b", "", "", "", ""]);
    expect(run(bytes("ab\nc"), { stop: ["\n\n"] })).toEqual(["a", "b", "", "\nc", ""]);
    expect(run(bytes("aab"), { stop: ["aac"] })).toEqual(["", "", "aab", ""]);
    expect(run(bytes("x<|e"), { stop: ["<|end"] })).toEqual(["x", "", "", "", "<|e"]);
  });

  it("stops at the text that is complete first", () => {
    const stream = createDecodeStream(tokenizer, { stop: ["abcd", "bc", "xbc"] });
    expect(bytes("xabc").map((id) => stream.push(id))).toEqual(["", "x", "", "a"]);
    expect(stream.stopped).toBe(true);
    expect(stream.push(0x78)).toBe("");
    expect(stream.end()).toBe("");
    expect(run(bytes("wxbc"), { stop: ["bc", "xbc"] }).join("")).toBe("w");
  });

  it("keeps control tokens or leaves them out", () => {
    expect(run([0x61, end, 0x62])).toEqual(["a", "<|end|>", "b", ""]);
    expect(run([0x61, end, 0x62], { skipSpecial: true })).toEqual(["a", "", "b", ""]);
  });

  it("together gives what decode gives, up to the first stop text", () => {
    const unit = fc.constantFrom("a", "b", "é", "😀");
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: end })),
        fc.boolean(),
        fc.string({ unit, maxLength: 30 }),
        fc.array(fc.string({ unit, minLength: 1, maxLength: 3 }), { maxLength: 3 }),
        (ids, skipSpecial, text, stop) => {
          const special = skipSpecial ? "skip" : "keep";
          expect(run(ids, { skipSpecial }).join("")).toBe(tokenizer.decode(ids, { special }));
          let expected = text;
          // The shortest prefix that ends in a stop text, without the longest stop text that it ends in.
          for (let length = 1; length <= text.length; length++) {
            const seen = text.slice(0, length);
            const found = stop.filter((word) => seen.endsWith(word)).map((word) => word.length);
            if (found.length === 0) continue;
            expected = seen.slice(0, length - Math.max(...found));
            break;
          }
          expect(run(bytes(text), { stop }).join("")).toBe(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("rejects empty stop texts and foreign ids", () => {
    expect(() => createDecodeStream(tokenizer, { stop: [""] })).toThrow(
      'createDecodeStream: a stop text must not be empty, got ""',
    );
    expect(() => createDecodeStream(tokenizer).push(999)).toThrow(
      "id must be an integer in [0, 257), got 999",
    );
  });
});
