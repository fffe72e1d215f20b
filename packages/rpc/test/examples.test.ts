import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, it, vi } from "vitest";
import { serve, text } from "./harness.ts";

it("examples/stream.ts", async () => {
  const print = vi.spyOn(console, "log").mockImplementation(() => undefined);
  await import("../examples/stream.ts");
  expect(print.mock.calls).toEqual([
    ["round 1 proposes 11"],
    ["round 2 proposes 21"],
    ["round 3 proposes 31"],
  ]);
});

it("the README's example", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, code] = readme.match(/```ts\n([^`]*)```/) ?? [];
  const { server } = await serve({
    verifier: {
      async *generate({ prompt, maxTokens }) {
        expect(prompt?.value).toBe("The capital of France is");
        expect(maxTokens).toBe(16);
        yield text(" Paris");
      },
    },
  });
  const file = new URL("./readme.tmp.ts", import.meta.url);
  writeFileSync(file, code.replace("127.0.0.1:50051", server.address));
  const write = vi.spyOn(process.stdout, "write").mockImplementation(() => true);
  try {
    await import(/* @vite-ignore */ file.href);
    expect(write.mock.calls).toEqual([[" Paris"]]);
  } finally {
    write.mockRestore();
    rmSync(file);
  }
});
