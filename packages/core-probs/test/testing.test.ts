import { createRng, type LanguageModel, type Rng, type TreeSequence } from "@veridraft/core-probs";
import { exactLaw, forwardModel, tableModel, treeModelLaws } from "@veridraft/core-probs/testing";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gumbelCoupling } from "../src/testing/gumbel-coupling.ts";

const logs = (probs: number[]): number[] => probs.map(Math.log);

function toLaw(counts: number[]): number[] {
  const sum = counts.reduce((a, b) => a + b);
  return counts.map((count) => count / sum);
}

const rows = [
  [0.1, 0.6, 0.3],
  [0.4, 0.4, 0.2],
  [0.25, 0.25, 0.5],
];
const ids = [0, 1, 2, 2, 1, 0, 1, 2, 0];

/** A model whose logits depend on how many tokens a call runs: not chunk-invariant. */
function chunky(): LanguageModel<TreeSequence> {
  const model = tableModel(rows);
  return {
    ...model,
    open: async () => {
      const sequence = await model.open();
      const forward = sequence.forward.bind(sequence);
      sequence.forward = async (tokens, options) => {
        const logits = await forward(tokens, options);
        logits.data.forEach(
          (value, i) => (logits.data[i] = value + tokens.length * 1e-3 * (i % 3)),
        );
        return logits;
      };
      return sequence;
    },
  };
}

describe("exactLaw", () => {
  test("adds up all sequences of decisions", async () => {
    const law = await exactLaw(async (key) => {
      const stream = key.at(0, "sample");
      const first = stream.categorical([1, 1, 0, 2]);
      await Promise.resolve();
      return first === 3 ? [first, key.at(0, "accept").bernoulli(0.25)] : first;
    });
    expect(Object.fromEntries(law)).toEqual({
      "0": 0.25,
      "1": 0.25,
      "3,false": 0.375,
      "3,true": 0.125,
    });
  });

  test("a program that decides nothing has one outcome", async () => {
    expect(await exactLaw(() => "x")).toEqual(new Map([["x", 1]]));
    expect(await exactLaw((key) => key.at(0, "accept").bernoulli(1))).toEqual(
      new Map([["true", 1]]),
    );
  });

  test("a stream that is opened again repeats its draws", async () => {
    const law = await exactLaw((key) => {
      const draw = () => key.at(1, "sample").categorical([1, 1]);
      const noise = () => key.at(1, "sample").gumbel([0, 0], null);
      return (
        draw() === draw() &&
        noise() === noise() &&
        noise() === key.at(1, "sample").gumbel([0, 0], [0, 1])
      );
    });
    expect(law).toEqual(new Map([["true", 1]]));
  });

  test("two laws drawn with one uniform variable are coupled by their cumulative sums", async () => {
    // u in [0, .5), [.5, .75), [.75, 1) by hand.
    const law = await exactLaw((key) => [
      key.at(2, "draft").categorical([1, 1]),
      key.at(2, "draft").bernoulli(0.75),
    ]);
    expect(Object.fromEntries(law)).toEqual({ "0,true": 0.5, "1,true": 0.25, "1,false": 0.25 });
  });

  // Token ids in one group of 16, and in three.
  test.each([
    ["one group", [0, 1, 2]],
    ["three groups", [3, 21, 40]],
  ])(
    "two laws drawn with one noise are coupled as the real streams couple them: %s",
    async (_, tokens) => {
      // By 60,000 draws of createRng(5), standard error below .002, and by the closed form.
      const q = logs([0.2, 0.5, 0.3]);
      const p = logs([0.5, 0.3, 0.2]);
      const draw = (stream: Rng) => [stream.gumbel(q, tokens), stream.gumbel(p, tokens)];
      const law = await exactLaw((key) => draw(key.at(0, "sample")));
      const counts = new Map<string, number>();
      const draws = 60_000;
      for (let i = 0; i < draws; i++) {
        const outcome = String(draw(createRng(5).at(i, "sample")));
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1 / draws);
      }
      for (const [outcome, mass] of law)
        expect(Math.abs((counts.get(outcome) ?? 0) - mass)).toBeLessThan(0.006);
      for (const outcome of counts.keys()) expect(law.has(outcome)).toBe(true);
    },
  );

  test("the coupling's marginal is the second law", () => {
    const masses = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 4, maxLength: 4 });
    const arbitrary = masses.filter((counts) => counts.some((count) => count > 0)).map(toLaw);
    fc.assert(
      fc.property(arbitrary, arbitrary, (q, p) => {
        const marginal = [0, 0, 0, 0];
        q.forEach((mass, i) => {
          if (mass > 0)
            gumbelCoupling(q, p, i).forEach((given, j) => (marginal[j] += mass * given));
        });
        marginal.forEach((mass, j) => expect(mass).toBeCloseTo(p[j], 9));
      }),
    );
  });

  test("errors", async () => {
    await expect(exactLaw((key) => key.at(0, "sample").uniform())).rejects.toThrow(
      "exactLaw: uniform() cannot be enumerated",
    );
    const three = exactLaw((key) =>
      [
        [1, 2],
        [2, 1],
        [3, 1],
      ].map((logits) => key.at(0, "sample").gumbel(logits, null)),
    );
    await expect(three).rejects.toThrow(
      'three different laws are drawn with the noise of "sample at 0"',
    );
  });
});

describe("tableModel", () => {
  test("keeps the laws of a model", async () => {
    await expect(treeModelLaws(tableModel(rows), { ids })).resolves.toBeUndefined();
  });

  test("errors", async () => {
    expect(() => tableModel([[1, 0]])).toThrow("tableModel: 1 rows, but row 0 has 2 entries");
    expect(() => tableModel([[0]])).toThrow(
      "row 0 must be non-negative with a positive sum, got 0",
    );
    const sequence = await tableModel(rows, { contextLength: 4 }).open();
    await expect(sequence.forward([])).rejects.toThrow("forward: needs at least one id");
    await expect(sequence.forward([3])).rejects.toThrow("forward: ids must be in [0, 3), got 3");
    await expect(sequence.forward([0, 0, 0, 0, 0])).rejects.toThrow(
      "forward: 0 + 5 tokens exceed the context of 4",
    );
    await expect(sequence.forwardTree([0, 1], [-1, 1])).rejects.toThrow(
      "the parent of node 1 must be in [-1, 1), got 1",
    );
    expect(() => sequence.commit(1)).toThrow("commit: needs an uncommitted forward before it");
    const first = sequence.forward([0]);
    await expect(sequence.forward([0])).rejects.toThrow(
      "forward: the last forward has not settled",
    );
    await first;
    expect(() => sequence.commitPath([0])).toThrow("commitPath: needs an uncommitted forwardTree");
    sequence.commit(1);
    expect(() => sequence.commit(1)).toThrow("commit: needs an uncommitted forward before it");
    await sequence.forwardTree([0, 1, 2], [-1, 0, 0]);
    expect(() => sequence.commitPath([0, 1, 2])).toThrow(
      "commitPath: node 2 has the parent 0, but follows 1",
    );
    sequence.dispose();
    await expect(sequence.forward([0])).rejects.toThrow("forward: the sequence is disposed");
  });
});

describe("modelLaws", () => {
  test("finds a model that is not chunk-invariant, and grants a tolerance", async () => {
    await expect(treeModelLaws(chunky(), { ids })).rejects.toThrow(
      /^modelLaws: row 0 one token at a time differs by/,
    );
    await treeModelLaws(chunky(), { ids, tolerance: 0.1 });
  });

  test("asks for enough ids", async () => {
    await expect(treeModelLaws(tableModel(rows), { ids: [0] })).rejects.toThrow(
      "modelLaws: needs at least 6 ids, got 1",
    );
  });
});

describe("forwardModel", () => {
  /** What follows a node is the sum of all that it sees, modulo 5. */
  const options = {
    vocabSize: 5,
    contextLength: 20,
    async run(committed: readonly number[], tokens: Int32Array, parents: Int32Array) {
      const before = committed.reduce((sum, id) => sum + id, 0);
      const sums: number[] = [];
      const data = new Float32Array(5 * tokens.length).fill(-1);
      tokens.forEach((id, node) => {
        sums.push((parents[node] < 0 ? before : sums[parents[node]]) + id);
        data[5 * node + (sums[node] % 5)] = 1;
      });
      return { data, rows: tokens.length, cols: 5 };
    },
  };

  test("makes a model of a function, with trees", async () => {
    await expect(
      treeModelLaws(forwardModel(options), { ids: [1, 4, 2, 2, 0, 3, 1, 1, 4] }),
    ).resolves.toBeUndefined();
  });

  test("frees what the function holds", async () => {
    let freed = 0;
    const model = forwardModel({ ...options, dispose: async () => void freed++ });
    await model.dispose();
    expect(freed).toBe(1);
  });

  test("checks ids and the context before the function sees them", async () => {
    const sequence = await forwardModel(options).open();
    await expect(sequence.forward([5])).rejects.toThrow("forward: ids must be in [0, 5), got 5");
    await expect(sequence.forward(Array.from({ length: 21 }, () => 0))).rejects.toThrow(
      "forward: 0 + 21 tokens exceed the context of 20",
    );
  });
});
