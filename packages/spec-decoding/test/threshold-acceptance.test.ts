import { exactLaw } from "@veridraft/core-probs/testing";
import { chain, createThresholdAcceptance, type DraftTree } from "@veridraft/spec-decoding";
import { expect, test } from "vitest";
import { dense, dyadic, lawError, shapes } from "./drawn-trees.ts";

const star = (tokens: number[]): DraftTree => ({
  ...chain(
    tokens,
    tokens.map(() => 1),
  ),
  parents: Int32Array.from(tokens, () => -1),
});

async function law(config: { single?: number; acc?: number }, tokens: number[]) {
  const p = dense([0.5, 0.25, 0.25]);
  const tree = star(tokens);
  const outcomes = await exactLaw((key) => {
    const { path, next } = createThresholdAcceptance(config).verify(tree, () => p, 0, key);
    return path.length === 0 ? `other ${next}` : `kept ${tree.tokens[path[0]]}`;
  });
  return Object.fromEntries(outcomes);
}

test("both thresholds 1: the law is the target's, for chosen and for drawn trees", async () => {
  expect(await law({}, [1, 0])).toEqual({ "kept 1": 0.25, "kept 0": 0.5, "other 2": 0.25 });
  for (const shape of shapes) {
    expect(await lawError(createThresholdAcceptance(), dyadic, shape)).toBeLessThan(1e-9);
  }
});

// Worked by hand: u / 2 < .25 keeps 1 half of the time, u / 2 < .75 always keeps 0.
test("acc .5 keeps the children twice as often", async () => {
  expect(await law({ acc: 0.5 }, [1])).toEqual({
    "kept 1": 0.5,
    "other 0": 0.5 * (2 / 3),
    "other 2": 0.5 * (1 - 2 / 3),
  });
  expect(await law({ acc: 0.5 }, [1, 0])).toEqual({ "kept 1": 0.5, "kept 0": 0.5 });
});

test("single keeps every token of that probability", async () => {
  expect(await law({ single: 0.5 }, [0])).toEqual({ "kept 0": 1 });
  expect(await law({ single: 0.5 }, [1, 0])).toEqual({ "kept 1": 0.25, "kept 0": 0.75 });
});

test("a sibling that repeats a token adds nothing", async () => {
  expect(await law({}, [1, 1])).toEqual(await law({}, [1]));
});

test("a config out of range is an error", () => {
  expect(() => createThresholdAcceptance({ acc: 2 })).toThrow("createThresholdAcceptance: acc");
});
