import { copyFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./run.ts";

const fixtures = fileURLToPath(
  new URL("../../../packages/engine-onnx/test/fixtures/", import.meta.url),
);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "veridraft-cli-onnx-"));
  cpSync(join(fixtures, "onnx/genai"), folder, { recursive: true });
  copyFileSync(join(fixtures, "gguf/llama.gguf"), join(folder, "llama.gguf"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const runHere = (...args: string[]): ReturnType<typeof run> =>
  run(args, { XDG_CACHE_HOME: join(folder, "cache") });

describe("an ONNX folder", () => {
  it("is inspected", async () => {
    const { out } = await runHere("inspect", folder);
    expect(out).toContain("\nheads          2 of keys and values, of 16\n");
    expect(out).toContain(
      "\nengine         runs it as it is, one sequence after another, drafts without branches; keys and values are float32, on webgpu they stay on the device\n",
    );
    const { out: json } = await runHere("inspect", folder, "--json");
    expect(JSON.parse(json)).toMatchObject({ layers: 2, context: 128, engine: { runs: true } });
  });

  it("generates the same text with drafts, whatever proposes them", async () => {
    const texts = await Promise.all(
      ["none", "suffix", "recycling"].map(async (drafter) => {
        const flags = ["--max-tokens", "60", "--temperature", "0", "--drafter", drafter, "--raw"];
        const { out, err } = await runHere(
          "generate",
          "thin",
          "--model",
          folder,
          ...flags,
          "--json",
        );
        expect(err).toBe("");
        return JSON.parse(out) as { ids: number[]; stats: { accepted: number } };
      }),
    );
    expect(texts[1].ids).toEqual(texts[0].ids);
    expect(texts[2].ids).toEqual(texts[0].ids);
    expect(texts.map(({ stats }) => stats.accepted > 0)).toEqual([false, true, true]);
  });

  it("says why it does not run", async () => {
    writeFileSync(join(folder, "genai_config.json"), "{}");
    const { out } = await runHere("inspect", folder);
    expect(out).toMatch(
      /\nengine +cannot run it: readOnnxFolder: genai_config\.json of [^\n]* has no model\.decoder\.filename; /,
    );
  });
});
