import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { draftServerConfig, serveDraft } from "@veridraft/draft-server";
import { drafterNames } from "@veridraft/spec-decoding";
import { encodeUint32 } from "@veridraft/rpc";
import { createDraftClient } from "@veridraft/rpc/client";
import { expect, it, onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const anyPort = draftServerConfig.parse({ port: 0 });

it("serves the look-up drafters and the head for the embedded model", async () => {
  const server = await serveDraft(anyPort);
  onTestFinished(() => server.stop());
  expect(server.drafters).toEqual(drafterNames.filter((name) => name !== "model"));
  const client = createDraftClient(server.address);
  onTestFinished(() => client.close());
  const { model } = await client.getModelInfo({});
  expect(model).toMatchObject({ vocabSize: 49_152, contextLength: 8192 });
  expect(model?.tokenizerSha256).toMatch(/^[0-9a-f]{64}$/);

  const call = client.draft();
  const ids = encodeUint32([5, 6, 7, 5, 6]);
  const tokenizerSha256 = model?.tokenizerSha256 ?? "";
  await call.send({ request: { $case: "open", value: { tokenizerSha256, ids, drafter: "" } } });
  const seen: unknown[] = [];
  for await (const { response } of call.responses) {
    seen.push(response?.$case);
    call.end();
  }
  expect(seen).toEqual(["opened"]);
});

it("names what is wrong with the settings", async () => {
  await expect(serveDraft({ ...anyPort, model: "/nonexistent.gguf" })).rejects.toThrow("ENOENT");
  await expect(serveDraft({ ...anyPort, host: "0.0.0.0" })).rejects.toThrow("insecure");
});

function start(...args: string[]) {
  const child = spawn(
    process.execPath,
    ["--conditions=@veridraft/source", "--import=tsx", main, ...args],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

it("the process says when it is ready and stops on SIGTERM", async () => {
  const child = start("--port", "0", "--drafter", "recycling");
  const [line] = await once(createInterface(child.stdout), "line");
  expect(line).toMatch(/^veridraft draft server on 127\.0\.0\.1:\d+$/);
  const client = createDraftClient(/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? "");
  onTestFinished(() => client.close());
  expect(await client.getModelInfo({})).toMatchObject({
    model: { vocabSize: 49_152 },
    drafters: [
      "recycling",
      "auto",
      "suffix",
      "suffix-decoding",
      "prompt-lookup",
      "ngram-cache",
      "combined",
      "head",
    ],
  });
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

it("the process ends with one sentence where it cannot start", async () => {
  const child = start("--port", "x");
  const exit = once(child, "exit");
  const [line] = await once(createInterface(child.stderr), "line");
  expect(line).toBe('veridraft: --port: Invalid input: expected number, received string, got "x"');
  expect(await exit).toEqual([2, null]);
});
