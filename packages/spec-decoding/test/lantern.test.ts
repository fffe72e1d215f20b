import {
  createRng,
  type Distribution,
  probabilityOf,
  sample,
  totalVariation,
} from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import {
  aggregate,
  buildNeighbors,
  chain,
  createGreedyLantern,
  createLantern,
  type DraftTree,
  lanternConfig,
  specInfer,
} from "@veridraft/spec-decoding";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dense, drawTree, dyadic, sparse } from "./drawn-trees.ts";

// LANTERN, test vectors: five codes on a line.
const table = buildNeighbors(Float32Array.of(0, 1, 2.5, 10, 11.5), 5, 1, 4);
const p = [0.1, 0.15, 0.25, 0.3, 0.2];
const q = [0.4, 0.1, 0.1, 0.1, 0.3];
type Relaxation = Parameters<typeof createLantern>[1];

test("neighbors by distance, ties by the lower id", () => {
  expect([...table.ids]).toEqual([1, 2, 3, 4, 0, 2, 3, 4, 1, 0, 3, 4, 4, 2, 1, 0, 3, 2, 1, 0]);
  expect([...buildNeighbors(Float32Array.of(1, 0, 2), 3, 1, 2).ids]).toEqual([1, 2, 0, 2, 0, 1]);
});

test.each<[Relaxation, number[], number]>([
  [{ delta: 0.2 }, [1], 0.15],
  [{ delta: 0.4 }, [1, 2], 0.4],
  [{ lambda: 3 }, [1], 0.15],
  [{ lambda: 6 }, [1, 2], 0.4],
  [{ lambda: 2 }, [], 0],
])("x = 0, k = 2, %o: A = %o, S = %f", (relaxation, taken, mass) => {
  const law = dense(p);
  const config = lanternConfig.parse({ k: 2, ...relaxation });
  const found = aggregate((id) => probabilityOf(law, id), 0, table, config);
  expect(found.taken).toEqual(taken);
  expect(found.mass).toBeCloseTo(mass, 6);
});

/** Acceptance and law of the first token. */
async function outcome(relaxation: Relaxation, draft: Distribution | number[], target = dense(p)) {
  const verifier = createLantern(table, { k: 2, ...relaxation });
  let accepted = 0;
  const law = [0, 0, 0, 0, 0];
  const outcomes = await exactLaw((key) => {
    const drawn = Array.isArray(draft) ? draft : [sample(draft, key.at(0, "draft"))];
    const tree: DraftTree = {
      ...chain(
        drawn,
        drawn.map(() => 1),
        drawn.map(() => (Array.isArray(draft) ? null : draft)),
      ),
      parents: Int32Array.from(drawn, () => -1),
    };
    const { path, next } = verifier.verify(tree, () => target, 0, key);
    return [path.length, path.length === 0 ? next : drawn[path[0]]];
  });
  for (const [name, mass] of outcomes) {
    const [length, token] = name.split(",").map(Number);
    accepted += length * mass;
    law[token] += mass;
  }
  return { accepted, law, variation: totalVariation(law, p) };
}

const relaxedOnce = [0.25, 0, 0.25, 0.3, 0.2];

describe.each<[string, (probs: number[]) => Distribution]>([
  ["dense", dense],
  ["sparse", sparse],
])("%s target, k = 2: acceptance, law, total variation", (_, form) => {
  test.each<[string, Relaxation, number[] | "q", number, number[], number]>([
    ["drawn, delta 0", { delta: 0 }, "q", 0.6, p, 0],
    ["drawn, delta .2", { delta: 0.2 }, "q", 0.75, [0.25, 0.1125, 0.201786, 0.235714, 0.2], 0.15],
    ["drawn, lambda 3", { lambda: 3 }, "q", 0.85, [0.25, 0.1, 0.164286, 0.185714, 0.3], 0.25],
    ["drawn, delta .4", { delta: 0.4 }, "q", 1, q, 0.4],
    ["chosen [0], delta .2", { delta: 0.2 }, [0], 0.25, relaxedOnce, 0.15],
    [
      "chosen [0], delta .2, repo",
      { delta: 0.2, rejection: "repo" },
      [0],
      0.25,
      [0.25, 0, 0, 0, 0.75],
      0.7,
    ],
    ["chosen [0], delta .4", { delta: 0.4 }, [0], 0.5, [0.5, 0, 0, 0.3, 0.2], 0.4],
    ["siblings [0, 3], delta .4", { delta: 0.4 }, [0, 3], 1, [0.5, 0, 0, 0.5, 0], 0.6],
    ["siblings [0, 3], delta .2", { delta: 0.2 }, [0, 3], 0.55, relaxedOnce, 0.15],
  ])("%s", async (_name, relaxation, draft, accepted, law, variation) => {
    const result = await outcome(relaxation, draft === "q" ? sparse(q) : draft, form(p));
    expect(result.accepted).toBeCloseTo(accepted, 6);
    law.forEach((mass, id) => expect(result.law[id]).toBeCloseTo(mass, 6));
    expect(result.variation).toBeCloseTo(variation, 6);
  });
});

test.each([
  [0.4, { path: [0], next: 3 }],
  [0.2, { path: [], next: 3 }],
])("greedy, x = 0, k = 2, delta %f", (delta, verdict) => {
  const verifier = createGreedyLantern(table, { k: 2, delta });
  expect(verifier.verify(chain([0], [1]), () => dense(p), 0, createRng(1))).toEqual(verdict);
});

test("nothing relaxed is the exact verifier, draw for draw", () => {
  const codes = buildNeighbors(Float32Array.of(0, 1, 3), 3, 1, 2);
  for (const relaxation of [
    { delta: 0 },
    { lambda: 1 },
    { delta: 0.9, k: 0 },
    { delta: 0.9, tokenOffset: 9 },
    { delta: 0.9, tokenOffset: 9, rejection: "repo" as const },
  ]) {
    const verifier = createLantern(codes, relaxation);
    for (let seed = 0; seed < 100; seed++) {
      const key = createRng(seed);
      const tree = drawTree(key, dyadic, [2, 2], "without replacement");
      const target = (node: number) => dyadic.p(node < 0 ? -1 : tree.tokens[node]);
      expect(verifier.verify(tree, target, 0, key)).toEqual(specInfer.verify(tree, target, 0, key));
    }
  }
});

test("a single chosen draft: total variation is S, at most delta; acceptance grows with delta and k", async () => {
  const masses = fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: 5, maxLength: 5 })
    .filter((counts) => counts.some((count) => count > 0))
    .map((counts) => counts.map((count) => count / counts.reduce((a, b) => a + b)));
  const deltas = fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
  );
  await fc.assert(
    fc.asyncProperty(masses, fc.nat(4), deltas, fc.nat(4), async (law, x, [a, b], k) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      const target = dense(law);
      const less = await outcome({ delta: low, k }, [x], target);
      const more = await outcome({ delta: high, k }, [x], target);
      const wide = await outcome({ delta: low, k: 4 }, [x], target);
      expect(totalVariation(less.law, law)).toBeLessThan(low + 1e-5);
      expect(more.accepted).toBeGreaterThan(less.accepted - 1e-6);
      expect(wide.accepted).toBeGreaterThan(less.accepted - 1e-6);
    }),
    { numRuns: 60 },
  );
});

test("configs out of range are errors", () => {
  expect(() => createLantern(table, {})).toThrow("createLantern: give one of delta and lambda");
  expect(() => createLantern(table, { delta: 0.1, k: 5 })).toThrow(
    "createLantern: k must be at most 4 with a table of 4 neighbors, got 5",
  );
  expect(() => createLantern(table, { delta: 0.1, k: 4, rejection: "repo" })).toThrow(
    "createLantern: k must be at most 3 with a table of 4 neighbors, got 4",
  );
  expect(() => buildNeighbors(new Float32Array(4), 5, 1, 2)).toThrow(
    "buildNeighbors: 4 numbers are not [5, 1]",
  );
});
