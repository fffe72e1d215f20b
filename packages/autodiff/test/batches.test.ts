import { randomWindows, shuffledRows, takeRows } from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

function first<T>(source: Iterable<T>, count: number): T[] {
  const items: T[] = [];
  for (const item of source) {
    items.push(item);
    if (items.length === count) break;
  }
  return items;
}

const key = createRng(11);
const counts = fc.integer({ min: 1, max: 12 });

describe("shuffledRows", () => {
  test("every epoch has every row once, in another order", () => {
    fc.assert(
      fc.property(counts, counts, (rows, size) => {
        const ids = first(shuffledRows(rows, size, key)(0), rows).flatMap((batch) => [...batch]);
        const all = Array.from({ length: rows }, (_, i) => i);
        for (let epoch = 0; epoch < size; epoch++) {
          const seen = ids.slice(epoch * rows, (epoch + 1) * rows);
          expect(seen.toSorted((a, b) => a - b)).toEqual(all);
        }
      }),
    );
    const [one, two] = first(shuffledRows(100, 100, key)(0), 2);
    expect(one).not.toEqual(two);
  });

  test("from a step on they are the same", () => {
    fc.assert(
      fc.property(counts, counts, fc.nat(30), (rows, size, step) => {
        const batches = shuffledRows(rows, size, key);
        expect(first(batches(step), 3)).toEqual(first(batches(0), step + 3).slice(step));
      }),
    );
  });
});

describe("randomWindows", () => {
  const text = Array.from({ length: 50 }, (_, i) => 100 + i);

  test("windows are parts of the text, and each start comes", () => {
    const starts = new Set<number>();
    for (const { data, shape } of first(randomWindows(text, 8, 47, key)(0), 10)) {
      expect(shape).toEqual([8, 47]);
      for (let row = 0; row < 8; row++) {
        const window = [...data.subarray(row * 47, (row + 1) * 47)];
        expect(window).toEqual(text.slice(window[0] - 100, window[0] - 53));
        starts.add(window[0] - 100);
      }
    }
    expect([...starts].toSorted()).toEqual([0, 1, 2, 3]);
  });

  test("from a step on they are the same", () => {
    const batches = randomWindows(text, 2, 5, key);
    expect(first(batches(4), 3)).toEqual(first(batches(0), 7).slice(4));
  });
});

test("takeRows keeps the type and the other axes", () => {
  const matrix = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2] };
  expect(takeRows(matrix, [2, 0, 2])).toEqual({
    data: Uint8Array.of(5, 6, 1, 2, 5, 6),
    shape: [3, 2],
  });
});

test.each([
  [() => shuffledRows(0, 1, key), "shuffledRows: rows must be a positive integer, got 0"],
  [() => shuffledRows(1, 1.5, key), "shuffledRows: size must be a positive integer, got 1.5"],
  [() => randomWindows([1], 0, 1, key), "randomWindows: size must be a positive integer, got 0"],
  [
    () => randomWindows([1], 1, 2, key),
    "randomWindows: a window has 2 ids, but the text only 1; shorten the window",
  ],
])("bad input %#", (act, message) => {
  expect(act).toThrow(message);
});
