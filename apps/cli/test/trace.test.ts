import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { smolLM2 } from "@veridraft/model-smollm2";
import { serveVerifier, verifierServerConfig } from "@veridraft/verifier-server";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { run } from "./run.ts";

const fixture = (name: string): string =>
  fileURLToPath(
    new URL(`../../../packages/engine-onnx/test/fixtures/gguf/${name}.gguf`, import.meta.url),
  );
const folder = mkdtempSync(join(tmpdir(), "veridraft-trace-"));
const prompts = join(folder, "prompts.jsonl");
const out = join(folder, "traces.jsonl");
const timeout = 60_000;

let address: string;
beforeAll(async () => {
  writeFileSync(prompts, `{"prompt": "one"}\n\n{"prompt": "two", "answer": "2"}\n`);
  const config = verifierServerConfig.parse({ port: 0, model: fixture("llama"), graceMs: 0 });
  const verifier = await serveVerifier(config);
  ({ address } = verifier);
  return () => verifier.stop();
}, timeout);
beforeEach(() => rmSync(out, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const trace = (teacher: string, ...more: string[]) => {
  const files = ["--student", fixture("qwen2"), "--prompts", prompts, "--out", out, "--raw"];
  return run(["trace", "--teacher", teacher, ...files, "--max-tokens", "12", ...more]);
};
const traces = () =>
  readFileSync(out, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("veridraft trace", () => {
  it("writes the same lines whether the teacher is a file or a server", { timeout }, async () => {
    const here = await trace(fixture("llama"), "--samples", "2");
    expect(here).toMatchObject({ code: 0 });
    const lines = traces();
    expect(lines).toHaveLength(4);
    expect(new Set(lines.map(({ seed }) => seed)).size).toBe(4);
    for (const { ids, fallback, student, fallbackRate, stopped, fault } of lines) {
      expect(ids.length).toBeLessThanOrEqual(12);
      expect([fallback.length, student.length]).toEqual([ids.length, ids.length]);
      ids.forEach((_: number, i: number) => expect(fallback[i] || student[i] >= 0.01).toBe(true));
      expect(fallbackRate).toBeCloseTo(fallback.filter(Boolean).length / ids.length, 12);
      expect(fault === "endless").toBe(!stopped);
    }
    expect(here.out).toMatch(
      /^\d of 4 traces are valid; \d did not end, \d fell back too often, \d have a wrong answer\n\d of 2 prompts have a valid trace\n\d+ tokens, \d+\.\d % chosen by the student\n$/,
    );

    rmSync(out);
    const there = await trace(address, "--samples", "2");
    expect(there).toMatchObject({ code: 0, out: here.out });
    expect(traces()).toEqual(lines);
  });

  it("goes on from what is there, also where the last line was cut", { timeout }, async () => {
    await trace(address);
    const whole = traces();
    const [first] = readFileSync(out, "utf8").split("\n");
    writeFileSync(out, `${first}\n`);
    appendFileSync(out, '{"prompt": "two", "se');
    const { code, err, out: said } = await trace(address, "--json");
    expect(code).toBe(0);
    expect(err).toMatch(/^trace 1 of 1: \d+ tokens, \w+\n$/);
    expect(traces()).toEqual(whole);
    expect(JSON.parse(said)).toMatchObject({ traces: 2, prompts: 2 });
  });

  it(
    "keeps the traces written when the teacher is lost, and says so in one sentence",
    { timeout },
    async () => {
      const config = verifierServerConfig.parse({ port: 0, model: fixture("llama"), graceMs: 0 });
      const teacher = await serveVerifier(config);
      const running = trace(teacher.address, "--samples", "500");
      await expect
        .poll(
          () => {
            try {
              return traces().length;
            } catch {
              return 0;
            }
          },
          { timeout: 30_000, interval: 10 },
        )
        .toBeGreaterThan(2);
      await teacher.stop();
      const { code, out: said, err } = await running;
      expect({ code, said }).toEqual({ code: 1, said: "" });
      const last = err.trimEnd().split("\n").at(-1);
      const kept = traces().length;
      expect(last).toMatch(
        new RegExp(
          `^veridraft: the teacher at ${teacher.address}: [^;]+; ${kept} traces are in ${out}, and the same command goes on from there$`,
        ),
      );
    },
  );

  it.each([
    [["--teacher", "a.gguf"], "veridraft trace needs --student"],
    [
      ["--teacher", "localhost:1", "--student", "localhost:2", "--prompts", prompts, "--out", out],
      "veridraft trace needs --tokenizer MODEL where teacher and student are servers",
    ],
    [["--top-k", "0"], "--top-k: Too small: expected number to be >=1, got 0"],
  ])("refuses %j with exit code 2", async (flags, sentence) => {
    expect(await run(["trace", ...flags])).toEqual({
      code: 2,
      out: "",
      err: `veridraft: ${sentence}\n`,
    });
  });

  it("names the line of what is no prompt", async () => {
    const wrong = join(folder, "wrong.jsonl");
    writeFileSync(wrong, '{"prompt": "one"}\n{"question": "two"}\n');
    const flags = ["--teacher", "a", "--student", "b", "--out", out, "--prompts", wrong];
    const { code, err } = await run(["trace", ...flags]);
    expect(code).toBe(2);
    expect(err).toMatch(/^veridraft: [^\n]*wrong\.jsonl:2: prompt: Invalid input[^\n]*\n$/);
  });

  it(
    "says that the tokenizer is another than the servers', and names both",
    { timeout },
    async () => {
      const files = ["--prompts", prompts, "--out", out, "--tokenizer", smolLM2.path];
      const { code, err } = await run([
        "trace",
        "--teacher",
        address,
        "--student",
        address,
        ...files,
      ]);
      expect(code).toBe(1);
      expect(err).toMatch(
        /^veridraft: the (teacher|student) at \S+: the tokenizers differ: the caller's is \w{64}, the verifier's is \w{64}; 0 traces [^\n]*\n$/,
      );
    },
  );
});
