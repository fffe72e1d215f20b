import { describe, expect, it } from "vitest";
import { nextRun, type Waiting } from "../src/scheduler.ts";

const short: Waiting = { left: 2, divisible: true };
const prompt: Waiting = { left: 1000, divisible: true };
const tree: Waiting = { left: 60, divisible: false };

describe("nextRun", () => {
  it("gives a lone forward all the rows of a chunk", () => {
    expect(nextRun([short], 8)).toEqual([{ index: 0, rows: 2 }]);
    expect(nextRun([prompt], 8)).toEqual([{ index: 0, rows: 256 }]);
    expect(nextRun([{ left: 300, divisible: false }], 8)).toEqual([{ index: 0, rows: 300 }]);
  });

  it("runs one after another where a run holds one", () => {
    expect(nextRun([prompt, short], 1)).toEqual([{ index: 0, rows: 256 }]);
  });

  it("runs all short ones in order of arrival, and a chunk of the first long one beside them", () => {
    expect(nextRun([prompt, short, prompt, tree], 8)).toEqual([
      { index: 1, rows: 2 },
      { index: 3, rows: 60 },
      { index: 0, rows: 64 },
    ]);
  });

  it("keeps a slot for a long one", () => {
    const waiting = [...Array.from({ length: 9 }, () => short), prompt];
    const run = nextRun(waiting, 8);
    expect(run.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 9]);
  });

  it("gives a long one among long ones the rows of a lone one", () => {
    expect(nextRun([prompt, prompt], 8)).toEqual([{ index: 0, rows: 256 }]);
    const rest: Waiting = { left: 100, divisible: true };
    expect(nextRun([rest, prompt], 8)).toEqual([{ index: 0, rows: 100 }]);
  });

  it("serves everybody within two runs of a full house", () => {
    let waiting = Array.from({ length: 12 }, (_, i) => i);
    const served = new Set<number>();
    for (let run = 0; run < 2; run++) {
      const chosen = nextRun(
        waiting.map(() => short),
        8,
      ).map(({ index }) => waiting[index]);
      for (const each of chosen) served.add(each);
      waiting = [...waiting.filter((each) => !chosen.includes(each)), ...chosen];
    }
    expect(served.size).toBe(12);
  });
});
