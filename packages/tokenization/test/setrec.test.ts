import { jit, type HostTensor, type Tensor, train, adamW, valueAndGrad } from "@veridraft/autodiff";
import { createRng } from "@veridraft/core-probs";
import { createGraphRunner } from "@veridraft/engine-onnx";
import {
  answerQueries,
  createItemTable,
  createRecommender,
  discretize,
  groundingLoss,
  type HistoryMask,
  initSetRec,
  kMeans,
  layoutOf,
  ndcgAtK,
  recallAtK,
  reconstructionLoss,
  residualCodes,
  type SetRec,
  setMask,
  setPositions,
  type SetRecBatch,
  setRecBatches,
  setRecConfig,
  setRecLoss,
} from "@veridraft/tokenization/setrec";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const distance = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

const key = createRng(5);
const runner = createGraphRunner({ threads: 1 });

describe("the prompt", () => {
  // The vectors of the source.
  const layout = { before: 2, items: 2, itemTokens: 3, after: 1, queries: 3 };

  test("which row sees which", () => {
    const mask = setMask(layout);
    const rows = Array.from({ length: 12 }, (_, i) => mask.slice(12 * i, 12 * i + 12).join(""));
    expect(rows).toEqual([
      "100000000000",
      "110000000000",
      "111000000000",
      "110100000000",
      "110010000000",
      "111111000000",
      "111110100000",
      "111110010000",
      "111111111000",
      "111111111100",
      "111111111010",
      "111111111001",
    ]);
    const sums = rows.map((row) => row.replaceAll("0", "").length);
    expect(sums).toEqual([1, 2, 3, 3, 3, 6, 6, 6, 9, 10, 10, 10]);
  });

  test("places", () => {
    expect([...setPositions(layout, "reference")]).toEqual([0, 1, 2, 2, 2, 3, 3, 3, 8, 9, 10, 11]);
    expect([...setPositions(layout)]).toEqual([0, 1, 2, 2, 2, 3, 3, 3, 4, 5, 5, 5]);
  });

  test.each(["sparse", "full", "causal"] as const)(
    "%s: every row sees itself, no query another, and queries all before them",
    (historyMask) => {
      const size = fc.integer({ min: 0, max: 4 });
      fc.assert(
        fc.property(size, size, size, size, size, (before, items, itemTokens, after, queries) => {
          const drawn = { before, items, itemTokens, after, queries };
          const mask = setMask(drawn, historyMask);
          const rows = before + items * itemTokens + after + queries;
          const first = rows - queries;
          for (let i = 0; i < rows; i++) {
            expect(mask[i * rows + i]).toBe(1);
            const row = Array.from(mask.subarray(i * rows, (i + 1) * rows));
            const query = row.map((_, j) => Number(j < first || i === j));
            expect(i < first ? row.slice(first).every((seen) => seen === 0) : row).toEqual(
              i < first ? true : query,
            );
          }
        }),
      );
    },
  );

  test("counts below 0 are errors", () => {
    expect(() => setMask({ ...layout, items: -1 })).toThrow(
      "setMask: items must be an integer of at least 0, got -1",
    );
    expect(() => setPositions({ ...layout, after: 0.5 })).toThrow(
      "setPositions: after must be an integer of at least 0, got 0.5",
    );
  });
});

describe("createItemTable()", () => {
  // The vectors of the source: D = 2, four items.
  const table = createItemTable(
    [
      Float32Array.of(1, 0, 0, 1, 0.5, 0.5, -1, 0),
      Float32Array.of(0, 1, 1, 0, 1, 1, 0, 0),
      Float32Array.of(1, 1, 0, 2, 0, 0, 1, -1),
    ],
    2,
  );
  const outputs = Float32Array.of(1, 0, 0.5, 0.5, 0, 1);

  test.each([
    [0, [1, 0, 0.5, -1], [0, 2, 1, 3]],
    [0.3, [1.15, 0.75, 0.65, -1], [0, 1, 2, 3]],
    [0.5, [1.25, 1.25, 0.75, -1], [0, 1, 2, 3]],
    [1, [1.5, 2.5, 1, -1], [1, 0, 2, 3]],
  ])("beta %f", (beta, scores, order) => {
    table.scores(outputs, beta).forEach((score, i) => expect(score).toBeCloseTo(scores[i], 6));
    expect([...table.rank(outputs, beta, 4).items]).toEqual(order);
  });

  test("leaves out, and keeps to, what it is told", () => {
    expect([...table.rank(outputs, 1, 2, { exclude: new Set([1]) }).items]).toEqual([0, 2]);
    expect([...table.rank(outputs, 1, 9, { only: new Set([3, 2]) }).items]).toEqual([2, 3]);
  });

  test("scores are linear in beta, and the ranking is a sort of them", () => {
    const value = fc.integer({ min: -4, max: 4 });
    const numbers = (length: number) => fc.array(value, { minLength: length, maxLength: length });
    fc.assert(
      fc.property(
        numbers(18),
        numbers(6),
        fc.integer({ min: 0, max: 8 }),
        (all, drawn, eighths) => {
          const vectors = Float32Array.from(all);
          const own = createItemTable(
            [0, 1, 2].map((k) => vectors.slice(6 * k, 6 * k + 6)),
            2,
          );
          const o = Float32Array.from(drawn);
          const [none, some, whole] = [0, eighths / 8, 1].map((beta) => own.scores(o, beta));
          some.forEach((score, i) => {
            expect(score).toBeCloseTo(none[i] + (eighths / 8) * (whole[i] - none[i]), 4);
          });
          const sorted = [0, 1, 2].toSorted((a, b) => some[b] - some[a] || a - b);
          expect([...own.rank(o, eighths / 8, 2).items]).toEqual(sorted.slice(0, 2));
        },
      ),
    );
  });

  test("what does not fit is an error", () => {
    expect(() => createItemTable([new Float32Array(4), new Float32Array(6)], 2)).toThrow(
      "createItemTable: each dimension must be [items, 2], got 4, 6 numbers",
    );
    expect(() => table.scores(new Float32Array(4), 0)).toThrow(
      "scores: queries must be [3, 2], got 4 numbers",
    );
    expect(() => table.scores(outputs, 2)).toThrow("scores: beta must be in [0, 1], got 2");
  });
});

test("Recall and NDCG of the source's ranking", () => {
  const ranking = [7, 2, 5, 1, 9];
  expect(recallAtK(ranking, new Set([2, 9]), 5)).toBe(1);
  expect(ndcgAtK(ranking, new Set([2, 9]), 5)).toBeCloseTo(0.624051, 6);
  expect(ndcgAtK([2, 9], new Set([2, 9]), 10)).toBe(1);
  expect(() => recallAtK(ranking, new Set(), 5)).toThrow(
    "recallAtK: needs at least one right item, got none",
  );
  expect(() => ndcgAtK(ranking, new Set([1]), 0)).toThrow(
    "ndcgAtK: k must be a positive integer, got 0",
  );
});

describe("codes", () => {
  const vectors = Float32Array.of(0, 0, 0, 1, 9, 9, 9, 8);

  test("near vectors share one", () => {
    const { codes, centers } = kMeans(vectors, 2, 2, key.at(0, "sample"));
    expect(codes[0]).toBe(codes[1]);
    expect(codes[2]).toBe(codes[3]);
    expect(codes[0]).not.toBe(codes[2]);
    expect([...centers].toSorted((a, b) => a - b)).toEqual([0, 0.5, 8.5, 9]);
  });

  test("a second level tells apart what the first does not", () => {
    const [first, second] = residualCodes(vectors, 2, 2, 2, key.at(0, "sample"));
    const pairs = new Set([...first].map((code, i) => `${code} ${second[i]}`));
    expect(pairs.size).toBe(4);
  });

  test("a set has a code for each dimension", () => {
    const sets = discretize([vectors, vectors.slice()], 2, 4, key.at(0, "sample"));
    for (const codes of sets) expect(new Set(codes).size).toBe(4);
  });

  test("more codes than vectors are an error", () => {
    expect(() => kMeans(vectors, 2, 5, key.at(0, "sample"))).toThrow(
      "kMeans: codes must be in [1, 4], got 5",
    );
  });
});

const config = setRecConfig.parse({
  history: 3,
  semantic: 2,
  collaborativeWidth: 4,
  textWidth: 5,
  encoder: [8],
  before: 2,
  width: 16,
  heads: 2,
});
/** Larger than at first, so that what reaches an output shows in it. */
const params = initSetRec(config, key.at(1, "draft"), 0.4);

describe("answerQueries()", () => {
  const answer = jit(
    runner,
    (weights: SetRec<Tensor>, rows: Tensor, present: Tensor, mask: Tensor) =>
      answerQueries(weights, config, rows, present, mask),
  );
  const draw = key.at(2, "sample");
  const rows = Float32Array.from({ length: 9 * 16 }, () => 2 * draw.uniform() - 1);
  const all = Float32Array.of(1, 1, 1);

  async function run(
    data: Float32Array,
    present = all,
    historyMask: HistoryMask = "sparse",
    queries = params.queries,
  ): Promise<Float32Array> {
    const layout = { ...layoutOf(config), queries: queries.shape[0] };
    const size = 12 + queries.shape[0];
    const result = await answer(
      { ...params, queries },
      { data, shape: [1, 9, 16] },
      { data: present, shape: [1, 3] },
      { data: setMask(layout, historyMask), shape: [size, size] },
    );
    return result.data as Float32Array;
  }
  /** The tokens of each item in another order. */
  const turned = Float32Array.from(rows);
  for (let item = 0; item < 3; item++) {
    const at = item * 48;
    turned.set(rows.subarray(at + 16, at + 48), at);
    turned.set(rows.subarray(at, at + 16), at + 32);
  }

  test("the order of an item's tokens changes nothing, but for a causal mask it does", async () => {
    expect(distance(await run(rows), await run(turned))).toBeLessThan(1e-5);
    expect(distance(await run(rows, all, "full"), await run(turned, all, "full"))).toBeLessThan(
      1e-5,
    );
    const causal = distance(await run(rows, all, "causal"), await run(turned, all, "causal"));
    expect(causal).toBeGreaterThan(1e-3);
  });

  test("the order of the items does change the outputs", async () => {
    const moved = Float32Array.from(rows);
    moved.copyWithin(0, 48, 96);
    moved.set(rows.subarray(0, 48), 48);
    expect(distance(await run(rows), await run(moved))).toBeGreaterThan(1e-3);
  });

  test("a query's output does not depend on the others", async () => {
    const outputs = await run(rows);
    for (let k = 0; k < 3; k++) {
      const one = { data: params.queries.data.slice(16 * k, 16 * k + 16), shape: [1, 16] };
      // oxlint-disable-next-line no-await-in-loop -- one session
      const alone = await run(rows, all, "sparse", one);
      expect(distance(alone, outputs.slice(16 * k, 16 * k + 16))).toBeLessThan(1e-5);
    }
  });

  test("what stands in place of no item changes nothing", async () => {
    const present = Float32Array.of(0, 1, 1);
    const other = Float32Array.from(rows);
    other.fill(7, 0, 48);
    expect(distance(await run(rows, present), await run(other, present))).toBeLessThan(1e-5);
    expect(distance(await run(rows), await run(other))).toBeGreaterThan(1e-3);
  });
});

describe("setRecBatches()", () => {
  const catalogue = {
    collaborative: { data: new Float32Array(20), shape: [5, 4] },
    text: { data: new Float32Array(25), shape: [5, 5] },
  };

  test("gives beginnings, the empty one among them, items on the right and numbered from 1", () => {
    const user = [3, 0, 2, 1, 2];
    const [, items, next] = setRecBatches(config, catalogue, [user], 200, key)(0).next().value;
    const seen = new Set(
      Array.from(
        next.data,
        (item, row) => `${items.data.slice(3 * row, 3 * row + 3).join()} ${item}`,
      ),
    );
    expect(seen).toEqual(new Set(["0,0,0 3", "0,0,4 0", "0,4,1 2", "4,1,3 1", "1,3,2 2"]));
  });

  test("a step's batch does not depend on where one begins", () => {
    const batches = setRecBatches(config, catalogue, [[1, 2, 3]], 4, key);
    const from = batches(0);
    from.next();
    expect(batches(1).next().value).toEqual(from.next().value);
  });

  test("a user without an item is an error", () => {
    expect(() => setRecBatches(config, catalogue, [[1], []], 4, key)).toThrow(
      "setRecBatches: every user must have an item, got none for user 1",
    );
  });
});

describe("the loss", () => {
  test("grounding and reconstruction, as in the source", async () => {
    const grounding = jit(runner, groundingLoss);
    const scores = [
      [1, 0, 0.5, -1],
      [0.5, 0.5, 1, 0],
      [1, 2, 0, -1],
    ];
    const lossOf = async (...rows: number[][]): Promise<number> => {
      const host = { data: Float32Array.from(rows.flat()), shape: [rows.length, 1, 4] };
      return (await grounding(host, { data: Int32Array.of(1), shape: [1] })).data[0];
    };
    const losses = await Promise.all(scores.map((row) => lossOf(row)));
    [1.746567, 1.448154, 0.44019].forEach((loss, k) => expect(losses[k]).toBeCloseTo(loss, 6));
    const found = await lossOf(...scores);
    expect(found).toBeCloseTo(1.211637, 6);
    const reconstruction = jit(runner, reconstructionLoss);
    const { data } = await reconstruction(
      { data: Float32Array.of(9, 9, 9, 0.5, 2.5, -1), shape: [2, 3] },
      { data: Float32Array.of(0, 0, 0, 1, 2, -1), shape: [2, 3] },
      { data: Int32Array.of(0, 0, 1, 1), shape: [2, 2] },
    );
    expect(data[0]).toBeCloseTo(0.166667, 6);
    expect(found + 0.7 * data[0]).toBeCloseTo(1.328304, 6);
    await Promise.all([grounding.dispose(), reconstruction.dispose()]);
  });

  test.each([true, false])(
    "a few steps find what always follows, with a collaborative token: %s",
    async (collaborative) => {
      const draw = key.at(3, "sample");
      const vectors = (width: number): HostTensor => ({
        data: Float32Array.from({ length: 7 * width }, (_, i) =>
          i < width ? 0 : 2 * draw.uniform() - 1,
        ),
        shape: [7, width],
      });
      const catalogue = { collaborative: vectors(4), text: vectors(5) };
      const items: HostTensor = {
        data: Int32Array.of(0, 0, 1, 0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6),
        shape: [6, 3],
      };
      const next: HostTensor = { data: Int32Array.of(1, 2, 3, 4, 5, 0), shape: [6] };
      const arm = { ...config, collaborative };
      const step = jit(runner, valueAndGrad(setRecLoss(arm)));
      const visible = setMask(layoutOf(arm));
      const size = Math.sqrt(visible.length);
      const trained = await train({
        step,
        params: initSetRec(arm, key.at(4, "draft")),
        optimizer: adamW({ learningRate: 0.01 }),
        *batches() {
          for (;;) yield [catalogue, items, next, { data: visible, shape: [size, size] }];
        },
        steps: 80,
      });
      await step.dispose();
      const recommender = await createRecommender(runner, arm, trained.params, catalogue);
      const histories = [[0], [0, 1], [0, 1, 2], [5, 1, 2, 3], [2, 3, 4], [3, 4, 5]];
      const best = await Promise.all(
        histories.map((history) => recommender.recommend(history, 0.5, 1)),
      );
      expect(best.map((ranked) => ranked.items[0])).toEqual([1, 2, 3, 4, 5, 0]);
      expect((await recommender.recommend([], 0.5, 6)).items).toHaveLength(6);
      await expect(recommender.recommend([6], 0.5, 1)).rejects.toThrow(
        "recommend: items are integers in [0, 6), got 6",
      );
      await recommender.dispose();
    },
  );
});
