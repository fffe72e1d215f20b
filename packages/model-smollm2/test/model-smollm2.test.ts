import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { smolLM2 } from "@veridraft/model-smollm2";
import { expect, it } from "vitest";

it("embeds the file that it names", async () => {
  const hash = createHash("sha256");
  await pipeline(createReadStream(smolLM2.path), hash);
  expect(hash.digest("hex")).toBe(smolLM2.sha256);
  expect((await stat(smolLM2.path)).size).toBe(smolLM2.bytes);
});

it("has a draft head of this file, which is small", async () => {
  const bytes = await readFile(smolLM2.draftHead);
  expect(bytes.length).toBeLessThan(16_000_000);
  const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString();
  const { __metadata__: notes } = JSON.parse(header);
  expect(notes.target_sha256).toBe(smolLM2.sha256);
});
