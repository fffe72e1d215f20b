import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { describe, expect, it, onTestFinished } from "vitest";
import { ggufText, launch, metadataOnly, modelHeader, writeTemporary } from "./harness.ts";

const servers = ["draft", "verifier"] as const;

/** What a process says that cannot start: one sentence, and no trace of a stack. */
function sentence(...parts: string[]) {
  const quoted = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return {
    code: 1,
    out: "",
    err: expect.stringMatching(new RegExp(`^veridraft: [^\n]*${quoted.join("[^\n]*")}[^\n]*\n$`)),
  };
}

/** A model whose tokenizer is that of the embedded one, and whose layers are of another kind. */
async function mamba(): Promise<string> {
  const header = await metadataOnly();
  const key = ggufText("general.architecture");
  const type = 4;
  const value = header.indexOf(key) + key.length + type;
  expect(header.subarray(value).indexOf(ggufText("llama"))).toBe(0);
  ggufText("mamba").copy(header, value);
  return writeTemporary("mamba.gguf", header);
}

describe("a server that cannot start says why in one sentence and exits with 1", () => {
  it("where its port is in use", async () => {
    const other = createServer();
    onTestFinished(() => void other.close());
    await once(other.listen(0, "127.0.0.1"), "listening");
    const { port } = other.address() as { port: number };
    const ended = servers.map((name) => launch(name, "--port", String(port)).ended);
    for (const each of await Promise.all(ended)) {
      expect(each).toEqual(sentence(`127.0.0.1:${port}`, "in use"));
    }
  });

  it.each<[string, () => Promise<string>, string]>([
    ["is not there", async () => "/nonexistent/model.gguf", "ENOENT"],
    ["is a folder", async () => tmpdir(), "has neither config.json nor genai_config.json"],
    [
      "is no GGUF file",
      () =>
        writeTemporary(
          "noise.gguf",
          new Uint8Array(100_000).map((_, i) => (i * i * 31) % 251),
        ),
      "not a GGUF file",
    ],
    [
      "ends inside its header",
      async () => writeTemporary("cut.gguf", (await modelHeader()).subarray(0, 1_000_000)),
      "after 1000000 bytes",
    ],
    [
      "ends before its tensors",
      async () => writeTemporary("header.gguf", await modelHeader()),
      "truncated",
    ],
  ])("where the model file %s", async (_, write, reason) => {
    const path = await write();
    const ended = servers.map((name) => launch(name, "--port", "0", "--model", path).ended);
    for (const each of await Promise.all(ended)) expect(each).toEqual(sentence(path, reason));
  });

  it("where the engine lacks the architecture of the model that is to run", async () => {
    const path = await mamba();
    const ended = [
      launch("verifier", "--port", "0", "--model", path).ended,
      launch("draft", "--port", "0", "--drafter", "model", "--draft-model", path).ended,
    ];
    for (const each of await Promise.all(ended)) {
      expect(each).toEqual(sentence("architecture mamba is not supported"));
    }
  });
});
