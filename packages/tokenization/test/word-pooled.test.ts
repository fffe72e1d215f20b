import { type HostTensor, jit, type Tensor } from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import {
  byteUnits,
  canvasTargets,
  createWordPooledModel,
  initWordPooled,
  packWords,
  segmentWords,
  type WordPooled,
  wordBatch,
  wordBatches,
  wordOfBytes,
  wordPooledConfig,
  wordPooledLogits,
  wordPooledLoss,
} from "@veridraft/tokenization/word-pooled";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

// The vectors of the source: characters a = 1, b = 2, words "ab", "b", "a", p = 2, c0 = 3.
const words = [[1, 2], [2], [1]];
const config = wordPooledConfig.parse({
  units: 2,
  prefixes: 2,
  maxUnits: 3,
  maxWords: 4,
  width: 16,
  layers: 2,
  heads: 2,
  smallLayers: 1,
});
const key = createRng(3);
const runner = createGraphRunner({ threads: 1 });
const distance = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
/** Large first values, so that what reaches a row shows in it. */
const params = initWordPooled(config, key.at(0, "draft"), 0.4);

describe("words", () => {
  test("packed", () => {
    const packed = packWords(words, 3);
    expect([...packed.ids]).toEqual([1, 2, 0, 2, 0, 0, 1, 0, 0]);
    expect([...packed.lengths]).toEqual([2, 1, 1]);
  });

  test("targets of states 0 and 1, and what counts", () => {
    const packed = packWords(words, 3);
    const { targets, mask } = canvasTargets(packed);
    expect([...targets]).toEqual([2, 0, 0, 1, 0, 0]);
    expect([...mask]).toEqual([1, 1, 0, 1, 1, 0]);
    expect([...canvasTargets(packed, "all").mask]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test("a word that fills its row has no end to predict", () => {
    expect([...canvasTargets(packWords([[1], [1, 2, 1]], 3)).mask]).toEqual([1, 1, 1]);
  });

  test.each([
    ["space", "to be,  or\n", ["to", " be,", " ", " or", "\n"]],
    ["unicode", "to be,  or\n", ["to", " be", ",", " ", " or", "\n"]],
    ["space", "abcdefghij", ["abcdef", "ghij"]],
    ["space", "ééé😀", ["ééé", "😀"]],
    ["unicode", "", []],
  ] as const)("segmentWords, %s: %j", (mode, text, expected) => {
    expect(segmentWords(text, 6, mode)).toEqual(expected);
  });

  test("segmentWords parts Chinese by the Unicode rules", () => {
    expect(segmentWords("你好世界", 16, "unicode").length).toBeGreaterThan(1);
    expect(segmentWords("你好世界", 16, "space")).toHaveLength(1);
  });

  test("words are the text, none is too long, and bytes give them back", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    fc.assert(
      fc.property(text, fc.integer({ min: 4, max: 9 }), (drawn, maxUnits) => {
        for (const mode of ["space", "unicode"] as const) {
          const parts = segmentWords(drawn, maxUnits, mode);
          expect(parts.join("")).toBe(drawn);
          for (const part of parts) {
            expect(byteUnits(part).length).toBeLessThanOrEqual(maxUnits);
            expect(wordOfBytes(byteUnits(part))).toBe(part);
          }
        }
      }),
    );
  });

  test("what does not fit is an error", () => {
    expect(() => segmentWords("a", 3, "space")).toThrow(
      "segmentWords: maxUnits must be an integer of at least 4, the bytes of a character, got 3",
    );
    expect(() => packWords([[1], [1, 1, 1, 1]], 3)).toThrow(
      "packWords: word 1 has 4 units, at most 3 fit; cut it before",
    );
    expect(() => packWords([[1, 0]], 3)).toThrow(
      "packWords: units start at 1, as 0 ends a word, got 0 in word 0",
    );
    expect(() => wordBatches(packWords(words, 3), 1, 4, key)).toThrow(
      "wordBatches: a window has 4 words, but the text only 3; shorten the window",
    );
  });
});

describe("the network", () => {
  const logits = jit(runner, (weights: WordPooled<Tensor>, ids: Tensor, lengths: Tensor) =>
    wordPooledLogits(weights, config, ids, lengths),
  );

  /** Logits of the units of each word but the first, by word. */
  async function run(ids: HostTensor, lengths: HostTensor): Promise<Float32Array[]> {
    const data = (await logits(params, ids, lengths)).data as Float32Array;
    return Array.from({ length: data.length / 9 }, (_, i) => data.slice(9 * i, 9 * i + 9));
  }

  test("a word changes what comes after it, and nothing before", async () => {
    const [ids, lengths] = wordBatch([packWords([[1, 2], [2], [1], [2, 2]], 3)]);
    const [others] = wordBatch([packWords([[1, 2], [2], [2], [2, 2]], 3)]);
    const [before, after] = [await run(ids, lengths), await run(others, lengths)];
    expect(distance(before[0], after[0])).toBeLessThan(1e-5);
    // The first unit of word 2 does not depend on it, the others do, and so does word 3.
    expect(distance(before[1].subarray(0, 3), after[1].subarray(0, 3))).toBeLessThan(1e-5);
    expect(distance(before[1].subarray(3, 6), after[1].subarray(3, 6))).toBeGreaterThan(1e-3);
    expect(distance(before[2], after[2])).toBeGreaterThan(1e-3);
  });

  test("what stands in the padding of a word of the history changes nothing", async () => {
    const [ids, lengths] = wordBatch([packWords(words, 3)]);
    const dirty = { data: Int32Array.from(ids.data), shape: ids.shape };
    dirty.data.set([1, 2, 2], 0);
    const [clean, same] = [await run(ids, lengths), await run(dirty, lengths)];
    clean.forEach((row, i) => expect(distance(row, same[i])).toBeLessThan(1e-5));
  });

  test("the order of a batch changes nothing", async () => {
    const windows = [packWords(words, 3), packWords([[2, 2, 1], [1], [2]], 3)];
    const [ids, lengths] = wordBatch(windows);
    const [turnedIds, turnedLengths] = wordBatch(windows.toReversed());
    const [one, other] = [await run(ids, lengths), await run(turnedIds, turnedLengths)];
    one.forEach((row, i) => expect(distance(row, other[(i + 2) % 4])).toBeLessThan(1e-5));
  });

  test("the loss is ln 3 a unit where nothing is known", async () => {
    const loss = jit(runner, wordPooledLoss(config));
    const blank = { ...params, head: { data: new Float32Array(48), shape: [16, 3] } };
    const { data } = await loss(blank, ...wordBatch([packWords(words, 3)]));
    expect(data[0]).toBeCloseTo(Math.log(3), 6);
    await loss.dispose();
  });
});

describe("createWordPooledModel()", () => {
  const model = createWordPooledModel(runner, config, params);

  test("the words up to 3 letters and the empty one have probability 1 together", async () => {
    const state = await model.state(await model.pool(words));
    const all = [0, 1, 2, 3].flatMap((length) =>
      Array.from({ length: 2 ** length }, (_, bits) =>
        Array.from({ length }, (_unit, k) => 1 + ((bits >> k) & 1)),
      ),
    );
    expect(all).toHaveLength(15);
    let sum = 0;
    // oxlint-disable-next-line no-await-in-loop -- one session
    for (const word of all) sum += Math.exp(await model.score(state, word));
    expect(sum).toBeCloseTo(1, 5);
  });

  test("drawn words follow their scores", async () => {
    const state = await model.state(await model.pool([[2], [1, 1]]));
    const counts = new Map<string, number>();
    const rng = key.at(9, "sample");
    const draws = 1500;
    for (let i = 0; i < draws; i++) {
      // oxlint-disable-next-line no-await-in-loop -- one session
      const word = (await model.decode(state, { rng, temperature: 1 })).join("");
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    for (const [word, count] of counts) {
      // oxlint-disable-next-line no-await-in-loop -- one session
      const p = Math.exp(await model.score(state, [...word].map(Number)));
      const deviation = Math.sqrt((p * (1 - p)) / draws);
      expect(Math.abs(count / draws - p)).toBeLessThan(5 * deviation + 1e-3);
    }
  });

  test("the greedy word is the likeliest unit after unit", async () => {
    const state = await model.state(await model.pool([[1]]));
    const word = await model.decode(state, "greedy");
    expect(await model.decode(state, "greedy")).toEqual(word);
    const cold = { rng: key.at(1, "sample"), temperature: 1e-4 };
    expect(await model.decode(state, cold)).toEqual(word);
  });

  test("what the context does not hold is an error", async () => {
    await expect(model.state([])).rejects.toThrow(
      "state: takes 1 to 4 words, got 0; give the last ones",
    );
    await expect(model.pool([[3]])).rejects.toThrow("pool: units are 1 to 2, got 3");
    const state = await model.state(await model.pool([[1]]));
    await expect(model.score(state, [9])).rejects.toThrow("score: units are 1 to 2, got 9");
    await expect(model.score(state, [1, 1, 1, 1])).rejects.toThrow(
      "packWords: word 0 has 4 units, at most 3 fit; cut it before",
    );
  });
});
