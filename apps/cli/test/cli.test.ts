import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smolLM2 } from "@veridraft/model-smollm2";
import { describe, expect, it, onTestFinished } from "vitest";
import { pipeSync, runSync as run } from "./run.ts";

const sampled = "--temperature 0.8 --top-p 0.9 --seed 5 --max-tokens 32 --json".split(" ");

function tellStory(...flags: string[]) {
  return JSON.parse(
    run("generate", "Tell me a story.", "--max-tokens", "40", "--json", ...flags).out,
  );
}

describe("veridraft generate", () => {
  it(
    "gives the same text for a seed whatever drafts it, as one JSON object",
    { timeout: 200_000 },
    () => {
      const texts = ["none", "suffix", "recycling", "prompt-lookup", "combined"].map((drafter) => {
        const { code, out } = run("generate", "Tell me a story.", ...sampled, "--drafter", drafter);
        expect(code).toBe(0);
        return JSON.parse(out);
      });
      for (const result of texts) {
        expect(result).toMatchObject({
          text: texts[0].text,
          tokens: texts[0].tokens,
          finishReason: "length",
          usage: { completionTokens: 32 },
          seed: 5,
        });
        expect(result.logProbs).toHaveLength(32);
      }
      expect(texts[0].stats).toMatchObject({ drafter: "none", rounds: 31, proposed: 0 });
    },
  );

  it("drafts from a prediction, which changes no token", { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "veridraft-prediction-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const plain = tellStory("--drafter", "none");
    const file = join(folder, "answer.txt");
    await writeFile(file, plain.text);
    const drafted = tellStory("--drafter", "none", "--prediction", file);
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.stats.drafter).toBe("reference-text");
    expect(drafted.stats.meanAcceptanceLength).toBeGreaterThan(3);
    expect(tellStory("--prediction", file)).toMatchObject({
      tokens: plain.tokens,
      stats: { drafter: "reference-text+suffix-automaton+head" },
    });
  });

  it("lets recycling learn from the prompt, which changes no token", { timeout: 60_000 }, () => {
    const learned = tellStory("--drafter", "recycling", "--learn-prompt");
    expect(learned.tokens).toEqual(tellStory("--drafter", "none").tokens);
    expect(learned.stats).toMatchObject({ drafter: "token-recycling" });
  });

  it("takes vLLM's speculative_config in place of its flags", { timeout: 60_000 }, () => {
    const config = { method: "ngram", num_speculative_tokens: 2, prompt_lookup_max: 2 };
    const { tokens, stats } = tellStory("--speculative-config", JSON.stringify(config));
    expect(stats.drafter).toBe("prompt-lookup");
    expect(stats.proposed).toBeLessThanOrEqual(2 * stats.rounds);
    expect(tokens).toEqual(tellStory("--drafter", "none").tokens);
  });

  it("ends before a stop string and streams text", { timeout: 60_000 }, () => {
    const { code, out } = run("generate", "The capital of France is", "--raw", "--stop", ".");
    expect({ code, out }).toEqual({ code: 0, out: " Paris\n" });
  });

  it.each([
    [["--top-p", "2"], "--top-p: Too big: expected number to be <=1, got 2"],
    [["--temperature", "-1"], "--temperature: Too small: expected number to be >=0, got -1"],
    [
      ["--drafter", "oracle"],
      '--drafter: Invalid option: expected one of "none"|"auto"|"suffix"|"suffix-decoding"|"prompt-lookup"|"ngram-cache"|"recycling"|"combined"|"head"|"model", got "oracle"',
    ],
    [
      ["--verification", "lantern", "--coupling", "optimal"],
      "verification: lantern needs the neighbor table of a codebook; give lantern, with neighbors and one of delta and lambda",
    ],
    [
      ["--lantern", "/none.json"],
      "--lantern: ENOENT: no such file or directory, open '/none.json'",
    ],
    [["--drafter", "model"], "--drafter model needs --draft-model FILE"],
    [
      ["--prediction", "a.txt", "--verifier", "localhost:1"],
      "--prediction works in this process, not on a server; leave out --verifier",
    ],
    [
      ["--speculative-config", '{"method": "medusa"}'],
      '--speculative-config: speculative_config: method: Invalid option: expected one of "ngram"|"suffix"|"draft_model"',
    ],
    [["--nonsense"], "unknown option '--nonsense'"],
  ])("refuses %j with exit code 2", (flags, sentence) => {
    const { code, out, err } = run("generate", "x", ...flags);
    expect({ code, out, err }).toEqual({ code: 2, out: "", err: `veridraft: ${sentence}\n` });
  });

  it("refuses a missing file with exit code 1", () => {
    const { code, err } = run("generate", "x", "--model", "/none.gguf");
    expect(code).toBe(1);
    expect(err).toMatch(/^veridraft: readGguf: cannot open \/none\.gguf: ENOENT[^\n]*\n$/);
  });
});

describe("veridraft tokenize and score", () => {
  it("prints ids and pieces", () => {
    expect(JSON.parse(run("tokenize", "Hello world", "--json").out)).toEqual({
      ids: [19_556, 905],
      pieces: ["Hello", " world"],
    });
  });

  it("prints places and counts", () => {
    expect(JSON.parse(run("tokenize", "Hello 😀", "--offsets", "--json").out).offsets).toEqual([
      [0, 5],
      [5, 8],
      [6, 8],
    ]);
    expect(run("tokenize", "Hello world", "--count").out).toBe("2\n");
    expect(run("tokenize", "Hello 😀", "--offsets").out.split("\n").slice(1)).toEqual([
      String.raw` 40303          5-8  " \xF0\x9F\x98"`,
      String.raw`   218          6-8  "\x80"`,
      "",
    ]);
    expect(pipeSync("Hello world\n", "tokenize", "--count").out).toBe("3\n");
    expect(run("tokenize", "a", "b").err).toBe(
      "veridraft: tokenize: one text is needed, in quotes or on stdin, got 2\n",
    );
  });

  it("trains a tokenizer, compares it and shows what it does", { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "veridraft-tokenize-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [text, trained, page] = ["text", "tokenizer.json", "page.html"].map((name) =>
      join(folder, name),
    );
    await writeFile(text, "the lower the slower, the lowest the slowest <b>\n".repeat(50));
    const { out, err } = run("tokenize", "--train", text, "--vocab-size", "270", "--out", trained);
    expect(out).toBe(`270 tokens in ${trained}\n`);
    expect(err.split("\n").at(-2)).toBe(`${"█".repeat(30)} 13 of 13 merges`);
    const table = run("tokenize", "--compare", trained, trained, text).out;
    expect(table).toContain("| vocabulary               |");
    const measures = JSON.parse(
      run("tokenize", "--compare", trained, smolLM2.path, text, "--json").out,
    );
    expect(Object.keys(measures)).toEqual([trained, smolLM2.path]);
    expect(measures[trained].vocabSize).toBe(270);
    run("tokenize", "the <b>", "--model", trained, "--html", page);
    expect(await readFile(page, "utf8")).toContain('title="');
    const tiktoken = join(folder, "r50k_base.tiktoken");
    await writeFile(tiktoken, "YQ== 0\nYg== 1\nYWI= 2\n");
    expect(JSON.parse(run("tokenize", "aab", "--model", tiktoken, "--json").out).ids).toEqual([
      0, 2,
    ]);
    expect(run("tokenize", "a", "--model", "my.tiktoken").err).toBe(
      'veridraft: my.tiktoken: how the encoding "my" splits text is not in the file and not known; known are r50k_base, p50k_base, p50k_edit, cl100k_base, o200k_base, by the name of the file\n',
    );
    expect(run("tokenize", "--compare", trained).err).toBe(
      "veridraft: tokenize: --compare needs two tokenizers and a text file, got 1 arguments\n",
    );
  });

  it("prints log-probabilities that add up", { timeout: 60_000 }, () => {
    const { tokens, total, mean, perplexity } = JSON.parse(
      run("score", "The capital of France is Paris.", "--json").out,
    );
    const sum = tokens
      .slice(1)
      .reduce((all: number, { logProb }: { logProb: number }) => all + logProb, 0);
    expect(tokens[0].logProb).toBeNull();
    expect(total).toBeCloseTo(sum, 9);
    expect(perplexity).toBeCloseTo(Math.exp(-mean), 9);
    expect(perplexity).toBeLessThan(30);
  });
});
