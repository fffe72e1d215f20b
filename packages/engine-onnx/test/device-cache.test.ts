import { Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { ByteBudget } from "../src/byte-budget.ts";
import { DeviceCache } from "../src/device-cache.ts";
import { dataOf } from "../src/session.ts";

const shape = { layers: 1, kvHeads: 2, headDim: 4, cacheType: "f32", contextLength: 100 } as const;
/** Keys and values of a row. */
const rowBytes = 2 * 2 * 4 * 4;

/** Stand-ins for what a session gives: each says when it was disposed of. */
function present(rows: number): { tensors: Tensor[]; disposed: () => number } {
  let count = 0;
  const tensors = [0, 1].map(() =>
    Tensor.fromGpuBuffer({} as never, {
      dataType: "float32",
      dims: [1, 2, rows, 4],
      dispose: () => count++,
    }),
  );
  return { tensors, disposed: () => count };
}

describe("DeviceCache", () => {
  it("disposes of tensors when the last sequence that shares them has others, and counts their bytes", () => {
    const budget = new ByteBudget(100 * rowBytes, () => false);
    const cache = DeviceCache.open(shape, budget);
    expect(cache.past(0)[0].dims).toEqual([1, 2, 0, 4]);
    const [first, second, third] = [present(5), present(8), present(7)];
    cache.keep(first.tensors);
    cache.commit([1, 2, 3, 4]);
    const fork = cache.fork(3);
    expect(fork.tokens).toEqual([1, 2, 3]);
    expect(budget.used).toBe(5 * rowBytes);
    cache.keep(second.tensors);
    expect([first.disposed(), budget.used]).toEqual([0, 13 * rowBytes]);
    expect(fork.past(3)).toBe(first.tensors);
    fork.keep(third.tensors);
    expect([first.disposed(), budget.used]).toEqual([2, 15 * rowBytes]);
    for (const each of [cache, fork]) each.dispose();
    expect([second.disposed(), third.disposed(), budget.used]).toEqual([2, 2, 0]);
  });

  it("refuses rows for which the old and the new tensors have no room", () => {
    const budget = new ByteBudget(20 * rowBytes, () => false);
    const cache = DeviceCache.open(shape, budget);
    cache.keep(present(10).tensors);
    cache.reserve(10, 10);
    expect(() => cache.reserve(10, 11)).toThrow(
      `engine: ${11 * rowBytes} bytes of keys and values beside ${10 * rowBytes} in use are more than the bound of ${20 * rowBytes}`,
    );
  });
});

describe("dataOf()", () => {
  it("reads the CPU's tensors and refuses a device's, whose data would end the process", () => {
    expect(dataOf(new Tensor("float32", [1, 2], [2]))).toEqual(Float32Array.of(1, 2));
    expect(() => dataOf(present(1).tensors[0])).toThrow(
      "dataOf: a tensor in gpu-buffer cannot be read",
    );
  });
});
