import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

/** What a step of 8 blocks of 6 values of 2 MiB gives and needs. */
async function measure(kind: string): Promise<{ gradient: number; grown: number }> {
  const child = fileURLToPath(new URL("checkpoint-child.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--conditions=@veridraft/source",
    "--import=tsx",
    child,
    kind,
  ]);
  return JSON.parse(stdout);
}

describe("checkpoint()", () => {
  it("keeps block inputs in place of what blocks compute, and gives the same gradient to the bit", async () => {
    const plain = await measure("plain");
    const checkpointed = await measure("checkpoint");
    expect(checkpointed.gradient).toBe(plain.gradient);
    // All 48 values are 96 MiB; 8 inputs, and one block of the others, 28.
    expect(plain.grown).toBeGreaterThan(96);
    expect(checkpointed.grown).toBeLessThan(64);
  });
});
