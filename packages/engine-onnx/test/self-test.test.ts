import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadModel } from "@veridraft/engine-onnx";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const llama = fileURLToPath(new URL("fixtures/gguf/llama.gguf", import.meta.url));

let cacheFolder: string;
beforeEach(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), "veridraft-self-test-"));
});
afterEach(() => rm(cacheFolder, { recursive: true }));

/** The costs that a start has. */
async function costsOfStart(): Promise<number[]> {
  const { model, costs } = await loadModel(llama, { threads: 1, cacheFolder });
  await model.dispose();
  return [...costs];
}

/** Changes the costs that are remembered, and says what they are then. */
async function remembered(change: (ms: number) => number = (ms) => ms): Promise<number[]> {
  const paths = await readdir(cacheFolder, { recursive: true });
  const path = join(cacheFolder, paths.find((each) => /self-test-\w+\.json$/.test(each)) as string);
  const found = JSON.parse(await readFile(path, "utf8"));
  const result = { ...found, costs: found.costs.map(change) };
  await writeFile(path, JSON.stringify(result));
  return result.costs;
}

describe("costs of forwards", () => {
  it("are measured anew and kept where the machine is faster than it was", async () => {
    const first = await costsOfStart();
    expect(await remembered((ms) => 50 * ms)).not.toEqual(first);
    const second = await costsOfStart();
    expect(second[8]).toBeLessThan(25 * first[8]);
    expect(await remembered()).toEqual(second);
  });

  it("are measured anew, but not kept, where it is slower", async () => {
    const first = await costsOfStart();
    const old = await remembered((ms) => ms / 50);
    const second = await costsOfStart();
    expect(second[8]).toBeGreaterThan(first[8] / 25);
    expect(await remembered()).toEqual(old);
  });
});
