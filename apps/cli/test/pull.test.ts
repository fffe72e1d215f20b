import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { modelPath, parseModelName } from "../src/model-folder.ts";
import { pullModel, type PullOptions } from "../src/pull.ts";
import { type HubServer, sha256, startHubServer } from "./hub-server.ts";
import { run } from "./run.ts";

const bytes = randomBytes(3_000_000);
const name = "owner/Tiny-GGUF:Q8_0";
let hub: HubServer;
let folder: string;
let path: string;

beforeEach(async () => {
  hub = await startHubServer();
  folder = mkdtempSync(join(tmpdir(), "veridraft-pull-"));
  path = join(folder, "owner/Tiny-GGUF/tiny-Q8_0.gguf");
  hub.repositories["owner/Tiny-GGUF"] = {
    "README.md": Buffer.from("# Tiny"),
    "tiny-Q4_K_M.gguf": randomBytes(1000),
    "tiny-Q8_0.gguf": bytes,
  };
});

afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true });
});

const pull = (text = name, options: PullOptions = {}): Promise<string> =>
  pullModel(text, folder, { hubUrl: hub.url, ...options });

const freeBytes = async (): Promise<number> => 2_500_000;

describe("pullModel", () => {
  it("fetches a file by name, by quantization, or the Q8_0 one, and once", async () => {
    expect(await pull("owner/Tiny-GGUF")).toBe(path);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    const asked = hub.requests.length;
    expect(await pull("owner/Tiny-GGUF:tiny-Q8_0.gguf")).toBe(path);
    expect(await pull("owner/Tiny-GGUF:q8_0")).toBe(path);
    expect(hub.requests.slice(asked)).toEqual(
      Array(2).fill("GET /api/models/owner/Tiny-GGUF/tree/main"),
    );
    expect(modelPath("owner/Tiny-GGUF:Q8_0", folder)).toBe(path);
  });

  it("replaces a file of another content", async () => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Buffer.alloc(bytes.length));
    await pull();
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it("goes on after a cut connection where it ended", async () => {
    hub.cutAfter = 1_000_000;
    await expect(pull()).rejects.toThrow(
      /^the download ended \([^\n]+\) after 1.0 MB of 3.0 MB; the same command goes on from there$/,
    );
    expect(existsSync(path)).toBe(false);
    expect(readFileSync(`${path}.part`).equals(bytes.subarray(0, 1_000_000))).toBe(true);
    const seen: number[] = [];
    await pull(name, { onFile: () => (done) => void seen.push(done) });
    expect(seen[0]).toBe(1_000_000);
    expect(seen.at(-1)).toBe(3_000_000);
    expect(hub.requests.at(-1)).toBe(
      "GET /owner/Tiny-GGUF/resolve/main/tiny-Q8_0.gguf bytes=1000000-2999999",
    );
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(existsSync(`${path}.part`)).toBe(false);
  });

  it("leaves what has come when it is stopped", async () => {
    const abort = new AbortController();
    const onFile = (): ((done: number) => void) => (done) => void (done > 0 && abort.abort());
    await expect(pull(name, { onFile, signal: abort.signal })).rejects.toThrow(
      /^stopped after .* of 3.0 MB; the same command goes on from there$/,
    );
    expect(existsSync(`${path}.part`)).toBe(true);
    await pull();
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it("deletes what does not have the checksum of the hub", async () => {
    hub.wrongSha256 = "ab".repeat(32);
    await expect(pull()).rejects.toThrow(
      `tiny-Q8_0.gguf has the SHA-256 ${sha256(bytes)}, the hub says ${hub.wrongSha256}; what came was deleted`,
    );
    expect(existsSync(path) || existsSync(`${path}.part`)).toBe(false);
  });

  it("counts what is there already when it looks for room on the disk", async () => {
    await expect(pull(name, { freeBytes })).rejects.toThrow(
      `tiny-Q8_0.gguf needs 3.0 MB, the disk of ${dirname(path)} has 2.5 MB free`,
    );
    expect(existsSync(`${path}.part`)).toBe(false);
    writeFileSync(`${path}.part`, bytes.subarray(0, 1_000_000));
    await pull(name, { freeBytes });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it("says what a repository has where the name does not choose", async () => {
    await expect(pull("owner/Tiny-GGUF:Q2_K")).rejects.toThrow(
      "owner/Tiny-GGUF has no file for Q2_K; name one as owner/Tiny-GGUF:FILE. It has\n  tiny-Q4_K_M.gguf  1.0 kB\n  tiny-Q8_0.gguf  3.0 MB",
    );
    hub.repositories["owner/two"] = { "a-Q8_0.gguf": bytes, "b-Q8_0.gguf": bytes };
    await expect(pull("owner/two")).rejects.toThrow("owner/two has more than one file to prefer;");
    hub.repositories["owner/none"] = { "model.safetensors": bytes };
    await expect(pull("owner/none")).rejects.toThrow("It has no GGUF file");
    hub.repositories["owner/split"] = { "m-Q8_0-00001-of-00002.gguf": bytes };
    await expect(pull("owner/split")).rejects.toThrow(
      "m-Q8_0-00001-of-00002.gguf of owner/split is a part of a split model; only models of one file can be used",
    );
    hub.repositories["owner/evil"] = { "../../../evil.gguf": bytes };
    await expect(pull("owner/evil")).rejects.toThrow("is not a path inside of a repository");
  });

  it("says that a repository is unknown", async () => {
    await expect(pull("owner/unknown")).rejects.toThrow(
      /^the hub does not show owner\/unknown: Repository not found\. .* need a token in HF_TOKEN$/,
    );
  });
});

describe("veridraft pull", () => {
  it("prints the path, passes the token on and does not print it", async () => {
    const env = { HF_TOKEN: "hf_secret" };
    const flags = ["--hub", hub.url, "--folder", folder];
    const { code, out, err } = await run(["pull", name, ...flags], env);
    expect({ code, out }).toEqual({ code: 0, out: `${path}\n` });
    expect(err).toBe("tiny-Q8_0.gguf, 3.0 MB\n");
    expect(hub.requests.every((request) => request.endsWith(" Bearer hf_secret"))).toBe(true);
  });

  it.each([
    ["nonsense", 2, "nonsense is not a name like owner/repository:file-or-quantization"],
    ["owner/Tiny-GGUF:Q2_K", 2, "owner/Tiny-GGUF has no file for Q2_K;"],
    ["owner/unknown", 1, "the hub does not show owner/unknown: Repository not found."],
  ])("ends for %s with code %d", async (text, expected, sentence) => {
    const { code, out, err } = await run(["pull", text, "--hub", hub.url, "--folder", folder]);
    expect({ code, out }).toEqual({ code: expected, out: "" });
    expect(err.startsWith(`veridraft: ${sentence}`)).toBe(true);
  });
});

describe("parseModelName", () => {
  it.each([
    ["owner/repo", { repository: "owner/repo", wanted: undefined }],
    ["owner/repo:sub/a.gguf", { repository: "owner/repo", wanted: "sub/a.gguf" }],
    ["folder/model.gguf", undefined],
    ["/tmp/repo", undefined],
    ["../repo", undefined],
    ["a/b/c", undefined],
    ["model.gguf", undefined],
  ])("reads %s", (text, parts) => {
    expect(parseModelName(text)).toEqual(parts);
  });
});
