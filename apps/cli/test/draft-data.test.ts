import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initTransformer } from "@veridraft/autodiff/nn";
import { createRng } from "@veridraft/core-probs";
import { forwardModel } from "@veridraft/core-probs/testing";
import { createChatTemplate, exportOnnx, readModelSource } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import type { TextModel } from "@veridraft/spec-decoding";
import type { Tokenizer } from "@veridraft/tokenization";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConversations } from "../src/draft/data.ts";
import { openings } from "../src/draft/openings.ts";
import { loops, selfChat } from "../src/draft/self-chat.ts";
import { run } from "./run.ts";

/** ASCII, a token a character; control characters and the space as byte-level vocabularies spell them, and one that ends messages. */
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
const spell = (byte: number): string =>
  String.fromCharCode(byte > 32 && byte < 127 ? byte : byte === 127 ? 289 : 256 + byte);
const asciiTokenizer = {
  pre_tokenizer: byteLevel,
  decoder: byteLevel,
  added_tokens: [{ id: 0, content: "<end>", special: true }],
  model: {
    type: "BPE",
    vocab: {
      "<end>": 0,
      ...Object.fromEntries(Array.from({ length: 127 }, (_, i) => [spell(i + 1), i + 1])),
    },
    merges: [],
  },
};

let tokenizer: Tokenizer;
let source: Awaited<ReturnType<typeof readModelSource>>;
let folder: string;
beforeAll(async () => {
  source = await readModelSource(smolLM2.path);
  tokenizer = source.readTokenizer();
  folder = await mkdtemp(join(tmpdir(), "veridraft-draft-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Says the letters a to p in turn, over and over; ends where `ends` says so of the tokens that are there. */
function talker(ends: (length: number) => boolean = () => false): TextModel {
  const letters = [...tokenizer.encode("abcdefghijklmnop".split("").join(" "))];
  const model = forwardModel({
    vocabSize: tokenizer.vocabSize,
    contextLength: 1024,
    async run(committed, tokens) {
      const data = new Float32Array(tokens.length * tokenizer.vocabSize);
      tokens.forEach((token, i) => {
        const length = committed.length + i + 1;
        const next = letters[(letters.indexOf(token) + 1) % letters.length];
        const said = ends(length) ? [...tokenizer.endIds][0] : next;
        data[i * tokenizer.vocabSize + said] = 50;
      });
      return { data, rows: tokens.length, cols: tokenizer.vocabSize };
    },
  });
  return { model, tokenizer, chatTemplate: source.chatTemplate };
}

/** The rendered request. */
async function text(index: number): Promise<string> {
  return tokenizer.decode((await selfChat(talker(), 0, index)).prompt);
}

describe("selfChat()", () => {
  it("begins every second request with an opening, and renders it as the model's template does", async () => {
    expect(await text(0)).toMatch(
      /<\|im_start\|>user\na b c [^<]*<\|im_end\|>\n<\|im_start\|>assistant\n$/,
    );
    expect(await text(1)).toContain(`<|im_start|>user\n${openings[0]}a b c`);
    expect(await text(5)).toContain(`<|im_start|>user\n${openings[1]}a b c`);
  });

  it("ends an answer that says a phrase of ten tokens for the third time", async () => {
    const { answer, ended } = await selfChat(talker(), 0, 0);
    expect(ended).toBe("loop");
    // Two rounds of the letters, and ten more.
    expect(answer.length).toBe(
      2 * tokenizer.encode("abcdefghijklmnop".split("").join(" ")).length + 10,
    );
  });

  it("ends with the model's end token, which is no part of the answer", async () => {
    const { prompt, answer, ended } = await selfChat(
      talker((length) => length % 20 === 0),
      0,
      0,
    );
    expect(ended).toBe("stop");
    expect(answer.length).toBeGreaterThan(0);
    expect((prompt.length + answer.length) % 20).toBe(0);
    expect(answer.some((id) => tokenizer.endIds.has(id))).toBe(false);
  });

  it("refuses a template that does not end a message with an end token", async () => {
    const chatTemplate = createChatTemplate("{{ messages[0].content }} ->");
    await expect(selfChat({ ...talker(), chatTemplate }, 0, 0)).rejects.toThrow(
      "selfChat: the chat template of the model closes a message without an end token, so that it cannot invent one",
    );
  });

  it.each([
    [[...Array(30).keys()], false],
    [[...Array(11).keys(), ...Array(11).keys()], false],
    [[...Array(10).keys(), 99, ...Array(10).keys(), 98, ...Array(10).keys()], true],
    [Array(12).fill(7), true],
    [Array(11).fill(7), false],
  ])("knows a loop when it sees one: %s", (ids, expected) => {
    expect(loops(ids)).toBe(expected);
  });
});

describe("veridraft draft data", () => {
  it("makes conversations until there are enough, and goes on where it was cut off", async () => {
    const model = join(folder, "model");
    const config = {
      vocabSize: 128,
      contextLength: 512,
      layers: 1,
      width: 32,
      heads: 2,
      hidden: 32,
      mlp: "gelu",
      norm: "rms",
      rotaryBase: 10_000,
      tied: true,
    } as const;
    await exportOnnx(model, config, initTransformer(config, createRng(1).at(0, "sample"), 0.2), {
      json: asciiTokenizer,
      endIds: [0],
      chatTemplate:
        "{% for m in messages %}{{ m.role }}: {{ m.content }}<end>{% endfor %}assistant: ",
    });
    const out = join(folder, "draft");
    const make = (...flags: string[]) =>
      run(["draft", "data", "--model", model, "--out", out, "--seed", "3", ...flags]);
    const made = await make("--tokens", "600");
    expect(made).toMatchObject({ code: 0, out: "" });
    expect(made.err).toMatch(/^data: \d+ of 600 tokens, \d+\/s, 0 s left$/m);
    const path = join(out, "conversations.jsonl");
    const first = await readConversations(path);
    expect(first.map(({ index }) => index)).toEqual([...first.keys()]);
    const tokens = first.reduce((sum, { answer }) => sum + answer.length, 0);
    expect(tokens).toBeGreaterThanOrEqual(600);

    // Half of a line, as a kill leaves it.
    const whole = await readFile(path, "utf8");
    await writeFile(path, `${whole}{"index":${first.length},"prompt":[1`);
    expect(await make("--tokens", String(tokens + 1))).toMatchObject({ code: 0 });
    const more = await readConversations(path);
    expect(more.slice(0, first.length)).toEqual(first);
    expect(more.map(({ index }) => index)).toEqual([...more.keys()]);
    expect(more.length).toBeGreaterThan(first.length);
  });

  it("says what is missing", async () => {
    expect(await run(["draft", "data"])).toMatchObject({ code: 2 });
    expect(await run(["draft", "data", "--out", folder, "--part", "2/2"])).toMatchObject({
      code: 2,
      err: "veridraft: --part: the first is 0/N\n",
    });
  });
});
