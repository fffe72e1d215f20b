import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smolLM2 } from "@veridraft/model-smollm2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./run.ts";
import { tinyGguf } from "./tiny-gguf.ts";

let data: string;
let folder: string;
const named = "owner/SmolLM2:Q4_1";
const unsupported = "other/Bert:bert.gguf";

beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), "veridraft-models-"));
  folder = join(data, "veridraft/models");
  mkdirSync(join(folder, "owner/SmolLM2"), { recursive: true });
  symlinkSync(smolLM2.path, join(folder, "owner/SmolLM2/smol-Q4_1.gguf"));
  mkdirSync(join(folder, "other/Bert"), { recursive: true });
  const metadata = { "general.architecture": "bert", "bert.context_length": 512 };
  writeFileSync(join(folder, "other/Bert/bert.gguf"), tinyGguf(metadata));
});

afterAll(() => rmSync(data, { recursive: true }));

const runHere = (...args: string[]): ReturnType<typeof run> => run(args, { XDG_DATA_HOME: data });

describe("veridraft models", () => {
  it("lists the pulled models", async () => {
    const { bytes, ...row } = JSON.parse((await runHere("models", "--json")).out)[1];
    expect(bytes).toBe(statSync(smolLM2.path).size);
    expect(row).toEqual({
      name: "owner/SmolLM2:smol-Q4_1.gguf",
      path: join(folder, "owner/SmolLM2/smol-Q4_1.gguf"),
      architecture: "llama",
      types: ["Q8_0", "F32", "Q4_1"],
      context: 8192,
    });
    const { out } = await runHere("models");
    const cells = out.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
    expect(cells[0].slice(1, -1)).toEqual(["name", "size", "architecture", "types", "context"]);
    expect(cells[2].slice(1, -1)).toEqual([unsupported, "103 bytes", "bert", "", "512"]);
  });

  it("says that there are none, and which file is none", async () => {
    const empty = join(data, "empty");
    mkdirSync(join(empty, "a/b"), { recursive: true });
    writeFileSync(join(empty, "a/b/c.gguf"), "no");
    const { out, err } = await runHere("models", "--folder", empty);
    expect(out).toBe(`no models in ${empty}\n`);
    expect(err).toMatch(/^veridraft: a\/b:c\.gguf: readGguf: [^\n]+\n$/);
  });
});

describe("veridraft inspect", () => {
  it("describes a model that runs, by name and by path", async () => {
    const { code, out } = await runHere("inspect", named, "--json");
    const model = JSON.parse(out);
    expect(code).toBe(0);
    expect(model).toMatchObject({
      architecture: "llama",
      layers: 30,
      hidden: 576,
      heads: 9,
      kvHeads: 3,
      context: 8192,
      vocabulary: 49_152,
      tokenizer: { model: "gpt2", pre: "smollm" },
      chatTemplate: true,
      engine: { runs: true },
    });
    expect(model.parameters).toBe(134_515_008);
    const { out: text } = await runHere("inspect", smolLM2.path);
    expect(text).toContain(
      "\nengine         runs as int8 or f32, converted size about 151.4 MB or",
    );
  });

  it("says why the engine cannot run a model", async () => {
    const { code, out } = await runHere("inspect", unsupported);
    expect(code).toBe(0);
    expect(out).toMatch(
      /\nengine +cannot run it: \w+: architecture bert is not supported[^\n]*\n$/,
    );
  });
});

describe("--model", () => {
  it("takes the name of a pulled model", async () => {
    const { out } = await runHere("tokenize", "Hello world", "--model", named, "--json");
    expect(JSON.parse(out).ids).toEqual([19_556, 905]);
  });

  it("refuses a name that nothing was pulled for with exit code 2", async () => {
    const { code, err } = await runHere("generate", "x", "--model", "owner/none:Q8_0");
    expect({ code, err }).toEqual({
      code: 2,
      err: `veridraft: owner/none:Q8_0 is no file, and no model of that name is in ${folder}; \`veridraft pull owner/none:Q8_0\` fetches it\n`,
    });
  });
});
