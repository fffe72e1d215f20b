import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./run.ts";

const fixture = fileURLToPath(
  new URL("../../../packages/engine-onnx/test/fixtures/gguf/llama.gguf", import.meta.url),
);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "veridraft-bench-test-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Our engine alone takes some seconds; with the peers there, which spin, five on busy CPUs have taken a minute. */
const timeout = 180_000;
const runHere = (...args: string[]): ReturnType<typeof run> =>
  run(args, { XDG_CACHE_HOME: folder }, timeout);

/** The small network with another context. */
function withContext(context: number): string {
  const bytes = readFileSync(fixture);
  const key = "llama.context_length";
  // A u32 follows the key and the number of its type.
  bytes.writeUInt32LE(context, bytes.indexOf(key) + key.length + 4);
  const path = join(folder, `context-${context}.gguf`);
  writeFileSync(path, bytes);
  return path;
}

const tapped = "2 rows after 128 with hidden states";

describe("veridraft bench engine", () => {
  it(
    "measures every row that the context holds on every engine that is there",
    { timeout },
    async () => {
      const args = ["bench", "engine", "--model", withContext(600), "--rounds", "1", "--json"];
      const { code, out, err } = await runHere(...args);
      expect({ code, err }).toMatchObject({ code: 0 });
      expect(err).toContain("rows of more than the 600 tokens of a context are left out\n");
      const { engines, figures, reasons } = JSON.parse(out);
      expect(reasons).toEqual(
        engines
          .slice(1)
          .map(
            (engine: string) => `-: ${engine}, ${tapped}: it gives no hidden states beside logits`,
          ),
      );
      const peers = ["llama.cpp", "Transformers.js int8"];
      const skipped = ["node-llama-cpp is skipped:", "Transformers.js is skipped:"];
      expect(engines[0]).toBe("int8");
      for (const [i, peer] of peers.entries()) {
        expect(engines.includes(peer)).toBe(!err.includes(skipped[i]));
      }
      expect(figures.map(({ name }: { name: string }) => name)).toEqual([
        ...[1, 2, 3, 4, 6, 8, 16, 32].map((rows) => `${rows} rows after 128`),
        "1 rows after 512",
        "8 rows after 512",
        tapped,
        "prompt of 256",
        ...[1, 4, 8, 16].map((count) => `${count} streams`),
        "load",
        "resident",
      ]);
      for (const { name, median, best } of figures) {
        expect(median).toHaveLength(engines.length);
        expect(best).toEqual(median);
        const given = name === tapped ? median.slice(0, 1) : median;
        for (const value of given) expect(value).toBeGreaterThan(0);
      }
    },
  );
});

describe("veridraft bench quality", () => {
  it("compares the laws of formats on a text", { timeout }, async () => {
    const text = join(folder, "text.txt");
    writeFileSync(text, "The mouse ran up the clock, and the clock struck one. ".repeat(2));
    const args = ["bench", "quality", "--model", withContext(1024), "--text", text, "--json"];
    const { code, out } = await runHere(...args, "--weights", "int8,row8", "--max-tokens", "64");
    expect(code).toBe(0);
    const { tokens, rows } = JSON.parse(out);
    expect(tokens).toBe(64);
    const [f32, int8, row8] = rows;
    expect(f32).toMatchObject({ engine: "f32", meanKl: 0, p99Kl: 0, sameArgmax: 1 });
    expect(int8).toMatchObject({ engine: "int8" });
    expect(row8).toMatchObject({ engine: "row8" });
    // Weights at random in a small network.
    expect(int8.meanKl).toBeGreaterThan(0);
    expect(int8.meanKl).toBeLessThan(0.05);
    expect(int8.sameArgmax).toBeGreaterThan(0.8);
    expect(int8.perplexity / f32.perplexity).toBeCloseTo(1, 1);
    expect(row8.meanKl).toBeGreaterThan(0);
    expect(row8.meanKl).toBeLessThan(0.1);
  });
});

describe("veridraft bench training", () => {
  it("trains the same on every engine that is there", { timeout }, async () => {
    const args = ["bench", "training", "--workloads", "toy", "--rounds", "1", "--json"];
    const { code, out, err } = await runHere(...args, "--python", join(folder, "python"));
    expect({ code, err }).toMatchObject({ code: 0 });
    const { rows, notes } = JSON.parse(out);
    const peers = ["jax-js", "TensorFlow.js"].filter(
      (peer) => !err.includes(`${peer} is skipped:`),
    );
    expect(rows.map(({ engine }: { engine: string }) => engine)).toEqual(["veridraft", ...peers]);
    for (const { stepsPerSecond, best, threads } of rows) {
      expect(stepsPerSecond).toBeGreaterThan(0);
      expect(best).toBe(stepsPerSecond);
      expect([1, 2]).toContain(threads);
    }
    expect(notes.slice(0, 4)).toEqual(
      ["PyTorch", "PyTorch", "PyTorch --compile", "PyTorch --compile"].map(
        (peer) => `-: ${peer}, toy: spawn ${join(folder, "python")} ENOENT`,
      ),
    );
    expect(notes[4]).toMatch(
      /^toy: the losses of the first 4 steps agree within \de[+-]\d+ of them$/,
    );
    expect(notes).toHaveLength(5);
  });

  it("refuses a workload that is none", { timeout }, async () => {
    const { code, out, err } = await runHere("bench", "training", "--workloads", "toy,large");
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/workloads/);
  });
});
