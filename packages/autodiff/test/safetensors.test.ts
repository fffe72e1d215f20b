import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSafetensors, type StoredTensor, writeSafetensors } from "@veridraft/autodiff";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
const path = join(folder, "file.safetensors");
afterAll(() => rmSync(folder, { recursive: true }));

// Both files are of fixtures/safetensors_file.py, safetensors 0.8.0.
const fixture = (name: string): string =>
  fileURLToPath(new URL(`fixtures/${name}.safetensors`, import.meta.url));

const tensors: Record<string, StoredTensor> = {
  mask: { data: Uint8Array.of(0, 1, 255), shape: [3] },
  "layers.0.weight": { data: Float32Array.of(1, -2.5, 3e-5, Infinity, 0, -0), shape: [2, 3] },
  counts: { data: Int32Array.of(7, -8), shape: [2] },
  scalar: { data: Float32Array.of(0.1), shape: [] },
  empty: { data: new Float32Array(0), shape: [0, 3] },
  ids: { data: BigInt64Array.of(2n ** 53n + 1n, -1n), shape: [2] },
};

describe("files of Python's safetensors", () => {
  test("are read", async () => {
    expect(await readSafetensors(fixture("tensors"))).toEqual({
      tensors,
      metadata: { "made by": "Python" },
    });
  });

  test("are written, byte by byte", async () => {
    await writeSafetensors(path, tensors, { "made by": "Python" });
    expect(readFileSync(path).equals(readFileSync(fixture("tensors")))).toBe(true);
  });

  test("halves are read as float32", async () => {
    const { half, brain } = (await readSafetensors(fixture("halves"))).tensors;
    // [float(x) for x in the arrays of the script]
    expect(half.data).toEqual(
      Float32Array.of(1, -2.5, 2 ** -24, 65504, -Infinity, 0.333251953125, -6.097555160522461e-5),
    );
    expect(brain.data).toEqual(
      Float32Array.of(1, -2.5, 0.333984375, 3.00405527047391e38, -Infinity),
    );
  });
});

test("what is written is read", async () => {
  const array = fc.float32Array({ maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), array), async (arrays) => {
      const some = Object.fromEntries(
        Object.entries(arrays).map(([name, data]) => [name, { data, shape: [data.length] }]),
      );
      await writeSafetensors(path, some);
      expect((await readSafetensors(path)).tensors).toEqual(some);
    }),
    { numRuns: 50 },
  );
});

function fileOf(header: unknown, data = 8): Uint8Array {
  const text = new TextEncoder().encode(
    typeof header === "string" ? header : JSON.stringify(header),
  );
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const entry = (shape: unknown, ...offsets: number[]): unknown => ({
  dtype: "F32",
  shape,
  data_offsets: offsets,
});

describe("damaged files", () => {
  test.each<[string, Uint8Array]>([
    ["it has 3 bytes, and its header starts after 8", Uint8Array.of(1, 2, 3)],
    [
      "its header would have 18446744073709551615 bytes, of at most 2",
      new Uint8Array(10).fill(255),
    ],
    ["its header is no JSON", fileOf("{")],
    ["its header is no JSON object", fileOf("[]")],
    ["its __metadata__ holds more than text", fileOf({ __metadata__: { a: 1 } })],
    ["its __metadata__ holds more than text", fileOf({ __metadata__: null })],
    ["the entry a has no shape or no place", fileOf({ a: null })],
    ["the entry a has no shape or no place", fileOf({ a: entry([-1], 0, 8) })],
    ["a of type F32 and shape [3] has 8 bytes", fileOf({ a: entry([3], 0, 8) })],
    [
      "b starts at byte 8 of the data, not 4",
      fileOf({ a: entry([1], 0, 4), b: entry([1], 8, 12) }),
    ],
    ["b starts at byte 0 of the data, not 4", fileOf({ a: entry([1], 0, 4), b: entry([2], 0, 8) })],
    ["its tensors have 8 bytes, its data 7", fileOf({ a: entry([2], 0, 8) }, 7)],
    ["its tensors have 8 bytes, its data 9", fileOf({ a: entry([2], 0, 8) }, 9)],
  ])("%s", async (what, bytes) => {
    writeFileSync(path, bytes);
    await expect(readSafetensors(path)).rejects.toMatchObject({
      code: "MODEL_FILE",
      message: `readSafetensors: ${path} is damaged: ${what}; fetch it anew`,
    });
  });

  test("any cut and any changed byte of the header is an error or a file", async () => {
    const whole = readFileSync(fixture("tensors"));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.nat(255),
        fc.boolean(),
        async (at, byte, cut) => {
          const bytes = cut ? whole.subarray(0, at) : Uint8Array.from(whole).fill(byte, at, at + 1);
          writeFileSync(path, bytes);
          const outcome = await readSafetensors(path).then(
            () => (cut ? "a cut file was read" : "MODEL_FILE"),
            (error) => error.code,
          );
          expect(outcome).toBe("MODEL_FILE");
        },
      ),
    );
  });
});

describe("bad input", () => {
  test("no file", async () => {
    await expect(readSafetensors(join(folder, "none"))).rejects.toMatchObject({
      code: "MODEL_FILE",
      message: `readSafetensors: ${join(folder, "none")} cannot be read (ENOENT: no such file or directory, open '${join(folder, "none")}'); check the path`,
    });
  });

  test("an unknown type", async () => {
    writeFileSync(path, fileOf({ a: { dtype: "F8_E4M3", shape: [8], data_offsets: [0, 8] } }));
    await expect(readSafetensors(path)).rejects.toThrow(
      `readSafetensors: a in ${path} has type F8_E4M3; known are I64, F32, I32, BF16, F16, U8`,
    );
  });

  test("a shape that is not the data's", async () => {
    const wrong = { a: { data: Float32Array.of(1, 2), shape: [3] } };
    await expect(writeSafetensors(path, wrong)).rejects.toThrow(
      "writeSafetensors: a has 2 elements, but its shape [3] has 3",
    );
  });

  test("the reserved name", async () => {
    const wrong = { __metadata__: { data: Float32Array.of(1), shape: [1] } };
    await expect(writeSafetensors(path, wrong)).rejects.toThrow(
      "writeSafetensors: the name __metadata__ is reserved; rename the tensor",
    );
  });
});
