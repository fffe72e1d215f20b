/** Small vocabularies of every kind against what llama.cpp made of them (fixtures/make-vocabularies.py, tools/peers/record-tokenizers.mjs). */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { createDecodeStream, type Tokenizer, tokenizerFromGguf } from "@veridraft/tokenization";
import { describe, expect, it } from "vitest";
import { piecesOf } from "./vocabularies.ts";

interface Vocabularies {
  readonly strings: readonly string[];
  readonly gpt2: { readonly merges: readonly string[]; readonly others: readonly string[] };
  readonly llama: {
    readonly pieces: readonly string[];
    readonly scores: readonly number[];
    readonly types: string;
  };
}

/** What llama.cpp made of a vocabulary. */
interface Recorded {
  /** Ids of every string. */
  readonly plain: readonly number[][];
  /** Ids of the string that spells control tokens, with these. */
  readonly special: readonly number[];
  /** Text of `plain`. */
  readonly texts?: readonly string[];
}

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8"));
const { strings, gpt2, llama } = fixture("vocabularies.json") as Vocabularies;
const { versions: _, ...recorded } = fixture("llama-cpp-ids.json") as Record<string, Recorded>;
const controls = strings.findIndex((text) => text.includes("<end_of_turn>"));

/** The tokenizer of a recorded vocabulary, such as "gpt2.qwen2" or "llama.prefix". */
function tokenizerOf(name: string, changes: Readonly<Record<string, unknown>> = {}): Tokenizer {
  const [model, variant] = name.split(".");
  return tokenizerFromGguf(
    new Map(
      Object.entries({
        "tokenizer.ggml.model": model,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        ...(model === "gpt2" ? bytePair(variant) : sentencePiece(variant === "prefix")),
        ...changes,
      }),
    ),
  );
}

function bytePair(pre: string): object {
  const pieces = [...piecesOf(gpt2.merges), ...gpt2.others];
  return {
    "tokenizer.ggml.pre": pre,
    "tokenizer.ggml.tokens": pieces,
    "tokenizer.ggml.token_type": pieces.map((piece) => (piece === "<end_of_turn>" ? 3 : 1)),
    "tokenizer.ggml.merges": gpt2.merges,
  };
}

function sentencePiece(addSpacePrefix: boolean): object {
  return {
    "tokenizer.ggml.tokens": llama.pieces,
    "tokenizer.ggml.token_type": Array.from(llama.types, Number),
    "tokenizer.ggml.scores": llama.scores,
    "tokenizer.ggml.add_space_prefix": addSpacePrefix,
  };
}

function stream(tokenizer: Tokenizer, ids: readonly number[]): string {
  const { push, end } = createDecodeStream(tokenizer);
  return ids.map((id) => push(id)).join("") + end();
}

describe.each(Object.entries(recorded))("%s", (name, { plain, special, texts }) => {
  const tokenizer = tokenizerOf(name);

  it("gives the ids of llama.cpp", () => {
    for (const [i, text] of strings.entries()) {
      expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids: plain[i] });
      expect(tokenizer.count(text)).toBe(plain[i].length);
    }
    expect([...tokenizer.encode(strings[controls], { special: true })]).toEqual(special);
  });

  it("gives the text back, whole and as a stream", () => {
    for (const [i, text] of (texts ?? strings).entries()) {
      // llama.cpp shows nothing for a token that is marked as unused.
      if (texts && plain[i].some((id) => llama.types[id] === "5")) continue;
      expect(tokenizer.decode(plain[i])).toBe(text);
      const space = name === "llama.prefix" && tokenizer.tokenBytes(plain[i][0])[0] === 0x20;
      expect(stream(tokenizer, plain[i])).toBe(space ? ` ${text}` : text);
    }
  });
});

describe("SentencePiece", () => {
  const plain = tokenizerOf("llama.plain");
  const prefixed = tokenizerOf("llama.prefix");

  it("spells a character without a piece as its bytes", () => {
    const ids = [...plain.encode("Ω")];
    expect(ids.map(plain.piece)).toEqual(["\\xCE", "\\xA9"]);
    expect(ids.map((id) => llama.pieces[id])).toEqual(["<0xCE>", "<0xA9>"]);
    expect(createDecodeStream(plain).push(ids[0])).toBe("");
    expect(stream(plain, ids)).toBe("Ω");
    expect(plain.missingBytes).toHaveLength(0);
    expect(plain.algorithm).toBe("heap");
  });

  it("puts a space before a text, which decode leaves out and a stream keeps", () => {
    const ids = [...prefixed.encode("x")];
    expect(ids.map(prefixed.piece).join("")).toBe(" x");
    expect(prefixed.decode(ids)).toBe("x");
    expect(prefixed.decode([1, ...ids], { special: "skip" })).toBe("x");
    expect(prefixed.decode([1, ...ids])).toBe("<s> x");
    expect(stream(prefixed, ids)).toBe(" x");
    expect(prefixed.encode("")).toHaveLength(0);
    expect(plain.decode(plain.encode(" x"))).toBe(" x");
  });

  it("says what the file and llama.cpp's defaults say", () => {
    expect([plain.bosId, plain.eosId, plain.addBos]).toEqual([1, 2, true]);
    expect(tokenizerOf("llama.plain", { "tokenizer.ggml.add_bos_token": false }).addBos).toBe(
      false,
    );
    expect([...plain.endIds].map((id) => llama.pieces[id])).toEqual(["</s>", "<end_of_turn>"]);
    const { endIds } = tokenizerOf("llama.plain", { "tokenizer.ggml.eot_token_id": 9 });
    expect(endIds.has(9)).toBe(true);
    const silent = tokenizerOf("llama.plain", { "tokenizer.ggml.add_space_prefix": undefined });
    expect(silent.sha256).toBe(prefixed.sha256);
    expect(plain.sha256).not.toBe(prefixed.sha256);
    const word = llama.pieces.findIndex((piece) => /^▁\w/.test(piece));
    expect(plain.idOf(llama.pieces[word].replace("▁", " "))).toBe(word);
    expect(plain.idOf("</s>")).toBe(2);
  });

  it("never makes a control token of text, and gives any text back", () => {
    const unit = fc.oneof(
      fc.constantFrom(" ", "  ", "<s>", "</s>", "\n\n", "q"),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(fc.array(unit), (units) => {
        const text = units.join("");
        const ids = plain.encode(text);
        expect(ids.some((id) => plain.isSpecial(id))).toBe(false);
        expect(plain.decode(ids)).toBe(text.replaceAll("▁", " "));
      }),
      { numRuns: 100 },
    );
  });

  it("needs a score a token", () => {
    expect(() => tokenizerOf("llama.plain", { "tokenizer.ggml.scores": [1] })).toThrow(
      `tokenizerFromGguf: tokenizer.ggml.scores must hold ${llama.pieces.length} numbers, one a token`,
    );
  });
});
