import { createRng, entropy } from "@veridraft/core-probs";
import {
  chain,
  createTypicalAcceptance,
  type DraftTree,
  typicalAcceptanceConfig,
  typicalThreshold,
} from "@veridraft/spec-decoding";
import { expect, test } from "vitest";
import { dense, sparse } from "./drawn-trees.ts";

const config = typicalAcceptanceConfig.parse({});
const verifier = createTypicalAcceptance();
const key = createRng(1);

// Baselines, V8.
test.each([
  [[0.5, 0.3, 0.2], 0.09, [0, 1, 2]],
  [[0.9, 0.06, 0.04], 0.09, [0]],
  [Array.from({ length: 20 }, () => 0.05), 0.015, Array.from({ length: 20 }, (_, id) => id)],
])("p = %o: threshold %f", (p, threshold, accepted) => {
  expect(typicalThreshold(dense(p), config)).toBeCloseTo(threshold, 6);
  const kept = p
    .map((_, id) => id)
    .filter((id) => verifier.verify(chain([id], [1]), () => dense(p), 0, key).path.length === 1);
  expect(kept).toEqual(accepted);
});

test("entropies of the examples", () => {
  expect(entropy([0.5, 0.3, 0.2])).toBeCloseTo(1.029653, 6);
  expect(entropy([0.9, 0.06, 0.04])).toBeCloseTo(0.392384, 6);
});

test("the longest path wins, then the likeliest; the token after it is the argmax", () => {
  // Children 0 and 1 of the root, then 2 below 0, 0 and 2 below 1: two paths of two nodes.
  const tree: DraftTree = {
    ...chain([0, 1, 2, 2, 0], [1, 1, 1, 1, 1]),
    parents: Int32Array.of(-1, -1, 0, 1, 1),
  };
  const laws = [
    [0.5, 0.4, 0.1],
    [0.2, 0.6, 0.2],
    [0.3, 0.2, 0.5],
  ];
  const target = (node: number) => sparse(laws[node < 0 ? 0 : node < 2 ? node + 1 : 0]);
  // .5 * .2 = .1 for 0 2, .4 * .5 = .2 for 1 2, .4 * .3 = .12 for 1 0.
  expect(verifier.verify(tree, target, 0, key)).toEqual({ path: [1, 3], next: 0 });
});

test("an empty tree gives the argmax", () => {
  const { path, next } = verifier.verify(chain([], []), () => sparse([0, 0.4, 0.6]), 0, key);
  expect([path, next]).toEqual([[], 2]);
});

test("a config out of range is an error", () => {
  expect(() => createTypicalAcceptance({ epsilon: 0 })).toThrow("createTypicalAcceptance: epsilon");
});
