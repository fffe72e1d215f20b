import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { draftServerConfig } from "@veridraft/draft-server";
import { smolLM2 } from "@veridraft/model-smollm2";
import { expect, it, vi } from "vitest";
import { z } from "zod";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

it("the README lists every setting", () => {
  const { properties = {} } = z.toJSONSchema(draftServerConfig, { io: "input" });
  const rows = Object.entries(properties).map(([name, property]) => {
    const { default: fallback, description } = property as z.core.JSONSchema.BaseSchema;
    const shown = fallback === smolLM2.path ? "the embedded model" : `\`${String(fallback)}\``;
    return `| \`${name}\` | ${fallback === undefined ? "" : shown} | ${description} |`;
  });
  const table = ["| setting | default | meaning |", "| --- | --- | --- |", ...rows].join("\n");
  const [, listed] = /<!-- settings -->\n([^]*)<!-- \/settings -->/.exec(readme) ?? [];
  const squeezed = listed.replace(/ +/g, " ").replace(/-{3,}/g, "---").trim();
  expect(squeezed).toBe(table.replace(/ +/g, " "));
});

it("the README's example runs", async () => {
  const [, code] = /```ts\n([^]*?)```/.exec(readme) ?? [];
  const file = new URL("./readme.tmp.ts", import.meta.url);
  writeFileSync(file, code);
  const print = vi.spyOn(console, "log").mockImplementation(() => undefined);
  try {
    await import(/* @vite-ignore */ file.href);
    expect(print.mock.calls).toEqual([
      [expect.stringMatching(/^on 127\.0\.0\.1:\d+: suffix, prompt-lookup, recycling$/)],
    ]);
  } finally {
    print.mockRestore();
    rmSync(file);
  }
});
