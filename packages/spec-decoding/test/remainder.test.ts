import { createRng } from "@veridraft/core-probs";
import { exactLaw } from "@veridraft/core-probs/testing";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  drawRemainder,
  moveMass,
  remainderOf,
  remainingProbability,
  removeLaw,
} from "../src/remainder.ts";
import { dense, sparse } from "./drawn-trees.ts";

const forms = [dense, sparse];
const tokens = [0, 1, 2, 3, 4];

test("worked by hand: p = (.5, .3, .2), q = (.2, .5, .3) leave (1, 0, 0) of mass .3", () => {
  for (const formP of forms) {
    for (const formQ of forms) {
      const rest = removeLaw(remainderOf(formP([0.5, 0.3, 0.2])), formQ([0.2, 0.5, 0.3]), 1);
      expect(rest.mass).toBeCloseTo(0.3, 6);
      expect([0, 1, 2].map((id) => remainingProbability(rest, id))).toEqual([
        expect.closeTo(1, 6),
        0,
        0,
      ]);
      expect(drawRemainder(rest, createRng(1).at(0, "sample"))).toBe(0);
    }
  }
});

test("equal laws leave the remainder as it was", () => {
  const rest = remainderOf(dense([0.5, 0.5]));
  expect(removeLaw(rest, sparse([0.5, 0.5]), 1)).toBe(rest);
});

const masses = fc
  .array(fc.integer({ min: 0, max: 4 }), { minLength: 5, maxLength: 5 })
  .filter((counts) => counts.some((count) => count > 0))
  .map((counts) => counts.map((count) => count / counts.reduce((a, b) => a + b)));
const form = fc.constantFrom(...forms);

test("max(p - q1 - q2, 0) for any supports, and draws follow it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(masses, form),
      fc.tuple(masses, form),
      fc.tuple(masses, form),
      async ([p, formP], [q1, form1], [q2, form2]) => {
        const left = p.map((mass, id) => Math.max(0, mass - 0.5 * q1[id] - 0.25 * q2[id]));
        const sum = left.reduce((a, b) => a + b);
        const rest = removeLaw(removeLaw(remainderOf(formP(p)), form1(q1), 0.5), form2(q2), 0.25);
        expect(rest.mass).toBeCloseTo(sum, 5);
        const law = await exactLaw((key) => drawRemainder(rest, key.at(0, "sample")));
        for (const id of tokens) {
          expect(remainingProbability(rest, id)).toBeCloseTo(left[id] / sum, 5);
          expect(law.get(String(id)) ?? 0).toBeCloseTo(left[id] / sum, 5);
        }
      },
    ),
  );
});

test("moved mass stays in the remainder", () => {
  for (const formP of forms) {
    const rest = moveMass(remainderOf(formP([0.5, 0, 0.25, 0.25])), 1, [3, 0]);
    expect([0, 1, 2, 3].map((id) => remainingProbability(rest, id))).toEqual([0, 0.75, 0.25, 0]);
    expect(rest.mass).toBe(1);
  }
});
