import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadDraftHead, readModelSource } from "@veridraft/engine-onnx";
import { smolLM2 } from "@veridraft/model-smollm2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./run.ts";

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "veridraft-train-"));
  const tokenizer = (await readModelSource(smolLM2.path)).readTokenizer();
  const texts = [
    ["What is rain?", "Rain is water that falls from clouds in drops."],
    ["What is snow?", "Snow is water that falls from clouds in flakes."],
    ["What is hail?", "Hail is water that falls from clouds in lumps of ice."],
  ];
  const lines = texts.map(([question, answer], index) => {
    const prompt = [...tokenizer.encode(`${question}\n`)];
    return JSON.stringify({ index, prompt, answer: [...tokenizer.encode(answer)], ended: "stop" });
  });
  await writeFile(join(out, "conversations.jsonl"), `${lines.join("\n")}\n`);
});
afterAll(() => rm(out, { recursive: true }));

const small = ["--vocabulary", "512", "--hidden", "64", "--batch", "32", "--epochs", "8"];
const fit = (...flags: string[]) =>
  run(["draft", "fit", "--out", out, "--tokens", "30", ...small, ...flags]);

describe("veridraft draft train", { timeout: 120_000 }, () => {
  it("makes a head from conversations, which drafts and changes no text", async () => {
    const trained = await run([
      "draft",
      "train",
      "--out",
      out,
      "--tokens",
      "30",
      ...small,
      "--prompts",
      "1",
      "--max-tokens",
      "8",
    ]);
    expect(trained.code).toBe(0);
    const [manifest, ...table] = trained.out.trim().split("\n");
    expect(JSON.parse(manifest)).toMatchObject({
      kind: "recurrent",
      conversations: 3,
      vocabulary: 512,
    });
    expect(table[0]).toMatch(/class +\| +a1 \| +a2 \| +a3/);
    expect(table).toHaveLength(2 + 2 * 7);
    const path = join(out, "head.safetensors");
    const head = await loadDraftHead(path, smolLM2.path);
    expect(JSON.parse(manifest)).toMatchObject(head.manifest);
    const whole = JSON.parse(await readFile(join(out, "manifest.json"), "utf8"));
    expect(whole).toMatchObject(JSON.parse(manifest));
    expect(whole.evaluation).toHaveLength(14);
    expect(head.ids).toHaveLength(512);
    await head.dispose();

    const tell = async (drafter: string) => {
      const flags = ["--max-tokens", "24", "--json", "--drafter", drafter, "--draft-head", path];
      return JSON.parse((await run(["generate", "What is sleet?", ...flags])).out);
    };
    const [plain, drafted] = [await tell("none"), await tell("head")];
    expect(drafted.tokens).toEqual(plain.tokens);
    expect(drafted.stats).toMatchObject({ drafter: "head" });
    expect(drafted.stats.proposed).toBeGreaterThan(0);
  });

  it("goes on with what is there, and makes the same file again", async () => {
    const path = join(out, "head.safetensors");
    const first = await readFile(path);
    const again = await fit();
    expect(again).toMatchObject({ code: 0 });
    expect(again.err).not.toContain("features:");
    expect(again.err).not.toContain("fit: step");
    await rm(join(out, "training-recurrent"), { recursive: true });
    const anew = await fit();
    expect(anew.err).toContain("fit: step 6 of 6");
    expect((await readFile(path)).equals(first)).toBe(true);
    await rm(join(out, "training-recurrent"), { recursive: true });
    const less = await fit("--tokens", "20");
    expect(JSON.parse(less.out)).toMatchObject({ conversations: 2 });
  });

  it("says what is missing", async () => {
    expect(await fit("--tokens", "1000")).toMatchObject({
      code: 2,
      err: expect.stringContaining(
        "has 33 tokens of answers, 1000 are wanted; run draft data, or ask for less with --tokens",
      ),
    });
  });
});
