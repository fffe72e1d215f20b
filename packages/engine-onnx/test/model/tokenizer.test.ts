import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { chatTemplateFromGguf, readGguf } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import {
  createDecodeStream,
  encodeChat,
  tokenizerFromGguf,
  tokenizerFromJson,
  toTokenizerJson,
} from "@veridraft/tokenization";
import { describe, expect, it } from "vitest";
import { tokenStrings } from "../fixtures/token-strings.ts";

const { metadata } = await readGguf(smolLM2.path);
const tokenizer = tokenizerFromGguf(metadata);
const strings = tokenStrings();

async function fixture(name: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(`../fixtures/${name}`, import.meta.url), "utf8"));
}

/** Little-endian base 128, as tools/peers/record-fixtures.mjs writes it. */
function readVarints(base64: string): number[] {
  const ids: number[] = [];
  let id = 0;
  let shift = 0;
  for (const byte of Buffer.from(base64, "base64")) {
    id |= (byte & 127) << shift;
    shift += 7;
    if (byte < 128) {
      ids.push(id);
      id = 0;
      shift = 0;
    }
  }
  return ids;
}

/** Index of the first string whose ids differ, with both, for a message that can be acted on. */
function firstDifference(ours: number[][], theirs: number[][]): unknown {
  const at = ours.findIndex((ids, i) => ids.join() !== theirs[i].join());
  return at < 0 ? undefined : { text: strings[at], ours: ours[at], theirs: theirs[at] };
}

describe("the tokenizer of SmolLM2", () => {
  it("is what its file says", () => {
    expect(tokenizer.vocabSize).toBe(49_152);
    expect(tokenizer.algorithm).toBe("linear");
    expect(tokenizer.piece(tokenizer.bosId as number)).toBe("<|im_start|>");
    expect([...tokenizer.endIds].map(tokenizer.piece).toSorted()).toEqual([
      "<|endoftext|>",
      "<|im_end|>",
    ]);
    expect(tokenizer.addBos).toBe(false);
    expect(tokenizer.missingBytes).toHaveLength(21);
    expect(tokenizer.sha256).toBe(
      "519e60797ababaea0f6986ea213c49a6395539d22c249903201e75111c6cbd84",
    );
  });

  it("gives the ids of llama.cpp", async () => {
    const recorded = (await fixture("llama-cpp-tokens.json")) as {
      stringsSha256: string;
      ids: string[];
    };
    const digest = createHash("sha256").update(JSON.stringify(strings)).digest("hex");
    expect(digest, "the strings changed: record again with tools/peers").toBe(
      recorded.stringsSha256,
    );
    const ours = strings.map((text) => [...tokenizer.encode(text)]);
    expect(firstDifference(ours, recorded.ids.map(readVarints))).toBeUndefined();
  });

  it("gives the ids of Hugging Face tokenizers", () => {
    const reference = new HuggingFaceTokenizer(toTokenizerJson(tokenizer), {});
    // JavaScript's \s, which it uses, differs from the Rust library's in U+0085 and U+FEFF; encode([]) is not defined there.
    const comparable = strings.filter((text) => text !== "" && !/[\x85\ufeff]/.test(text));
    expect(comparable.length).toBeGreaterThan(2000);
    const ours = comparable.map((text) => [...tokenizer.encode(text, { special: true })]);
    const theirs = comparable.map((text) => reference.encode(text).ids);
    expect(firstDifference(ours, theirs)).toBeUndefined();
  });

  it("gives every text back, but for bytes that it has no token for", () => {
    const missing = new Set(tokenizer.missingBytes);
    for (const text of strings) {
      const bytes = Buffer.from(text).filter((byte) => !missing.has(byte));
      const ids = tokenizer.encode(text);
      expect(tokenizer.decode(ids)).toBe(
        new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
      );
      const stream = createDecodeStream(tokenizer);
      expect([...ids].map((id) => stream.push(id)).join("") + stream.end()).toBe(
        tokenizer.decode(ids),
      );
    }
  });

  it("goes through tokenizer.json unchanged", () => {
    expect(tokenizerFromJson(toTokenizerJson(tokenizer)).sha256).toBe(tokenizer.sha256);
  });
});

describe("the chat template of SmolLM2", () => {
  const template = chatTemplateFromGguf(metadata);

  it("adds the default system prompt", () => {
    expect(template?.render([{ role: "user", content: "Hi" }])).toBe(
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  it("gives the prompt ids of llama.cpp", async () => {
    const { prompts } = (await fixture("llama-cpp-greedy.json")) as {
      prompts: {
        special: boolean;
        prompt: string;
        promptIds: number[];
        ids: number[];
        text: string;
      }[];
    };
    if (template === undefined) throw new Error("no template");
    for (const { special, prompt, promptIds, ids, text } of prompts) {
      expect([...tokenizer.encode(prompt, { special })]).toEqual(promptIds);
      expect(tokenizer.decode(ids)).toBe(text);
      if (!special) continue;
      const content = /<\|im_start\|>user\n(.*)<\|im_end\|>/s.exec(prompt)?.[1] ?? "";
      expect([...encodeChat(tokenizer, template, [{ role: "user", content }])]).toEqual(promptIds);
    }
  });
});
