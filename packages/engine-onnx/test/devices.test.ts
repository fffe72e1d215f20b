import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompressSync } from "node:zlib";
import { isProbsError } from "@veridraft/core-probs";
import { type LoadedModel, loadModel } from "@veridraft/engine-onnx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyFolders, distanceToLlamaCpp, ids } from "./onnx-folders.ts";
import { checkSequenceLaws } from "./sequence-laws.ts";

/** A Vulkan driver that needs no GPU; `npm run peers` installs it. */
const swiftShader = fileURLToPath(
  new URL(
    "../../../tools/peers/node_modules/@sparticuz/chromium/bin/swiftshader.tar.br",
    import.meta.url,
  ),
);
const noWebGpu =
  process.platform !== "linux" || process.arch !== "x64"
    ? `SwiftShader is built for linux x64, not ${process.platform} ${process.arch}`
    : existsSync(swiftShader)
      ? null
      : "SwiftShader is not installed; `npm run peers` does it";
if (noWebGpu !== null) console.log(`devices.test.ts: webgpu is skipped: ${noWebGpu}`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "veridraft-devices-"));
  await copyFolders(folder);
});
afterAll(() => rm(folder, { recursive: true }));

describe.skipIf(noWebGpu !== null)("webgpu", () => {
  const options = { env: { ...process.env }, maxBuffer: 1 << 24 };

  beforeAll(async () => {
    const tar = join(folder, "swiftshader.tar");
    await writeFile(tar, brotliDecompressSync(await readFile(swiftShader)));
    execFileSync("tar", ["xf", tar, "-C", folder]);
    const driver = join(folder, "driver.json");
    const library = join(folder, "libvk_swiftshader.so");
    const icd = { library_path: library, api_version: "1.3.0" };
    await writeFile(driver, JSON.stringify({ file_format_version: "1.0.0", ICD: icd }));
    options.env.LD_LIBRARY_PATH = folder;
    options.env.VK_DRIVER_FILES = driver;
  });

  /** Runs a program in a process that finds the driver. */
  async function runInChild(file: string, ...given: string[]): Promise<Record<string, unknown>> {
    const child = fileURLToPath(new URL(file, import.meta.url));
    const args = [...process.execArgv, child, ...given];
    const { stdout } = await promisify(execFile)(process.execPath, args, options);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  // Measured: 1.2e-5. Plain operators: 4e-3, as SwiftShader's sines and cosines are coarse; their keys and values go through the CPU.
  it.each([
    ["transformers-js", 1e-4, "onnx"],
    ["genai", 1e-4, "onnx"],
    ["gguf", 1e-4, "f32"],
    ["optimum", 2e-2, "onnx"],
  ])(
    "has llama.cpp's log-probabilities for %s within %f, and the laws of a sequence",
    { timeout: 120_000 },
    async (name, tolerance, weights) => {
      const found = await runInChild("webgpu-child.ts", folder, name);
      console.log(`${name}: ${JSON.stringify(found)}`);
      expect(found.distance).toBeLessThan(tolerance);
      expect(found).toMatchObject({ weights, sequences: 0 });
    },
  );

  it("says what an adapter lacks", { timeout: 120_000 }, async () => {
    const model = "transformers-js/onnx/model_fp16.onnx";
    await expect(runInChild("webgpu-child.ts", folder, model)).rejects.toThrow(
      /requires f16 but the device does not support it/,
    );
  });

  it("gives the CPU's gradients of a transformer", { timeout: 120_000 }, async () => {
    const { count, distance } = await runInChild("graph-child.ts", "webgpu");
    // Loss and 560 weights. Measured: 3.4e-6.
    expect(count).toBe(561);
    expect(distance).toBeLessThan(1e-4);
  });
});

describe("cuda", () => {
  let loaded: LoadedModel | Error;
  beforeAll(async () => {
    const options = { device: "cuda", cacheFolder: join(folder, "cache") } as const;
    loaded = await loadModel(join(folder, "genai"), options).catch((error: Error) => error);
  });

  it("runs", { timeout: 120_000 }, async (context) => {
    if (loaded instanceof Error) return context.skip("ONNX Runtime finds no CUDA");
    const { model } = loaded;
    const sequence = await model.open();
    expect(distanceToLlamaCpp(await sequence.forward(ids))).toBeLessThan(1e-2);
    await checkSequenceLaws(model, 1e-2);
    await model.dispose();
  });

  it("says what is missing", (context) => {
    if (!(loaded instanceof Error)) return context.skip("CUDA is there");
    expect(isProbsError(loaded) && loaded.code).toBe("UNSUPPORTED");
    expect(loaded.message).toMatch(
      /^engine: device cuda cannot be used: it needs an NVIDIA driver, [^;]*, or choose device cpu; this ONNX Runtime was built for cpu, .* and says: .+$/,
    );
  });
});
