import { createRng } from "@veridraft/core-probs";
import {
  createLibTokenizer,
  type LibOptions,
  LibTrainer,
  RankedLexicon,
  unigramLoss,
} from "@veridraft/tokenization/systems";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { moveByShare } from "../src/lib.ts";
import { talk } from "./talk.ts";

const rng = () => createRng(1).at(0, "draft");

/** Articles of 50 sentences, read in a loop. */
function train(sentences: readonly string[], articles: number, options: LibOptions = {}) {
  const trainer = new LibTrainer(options, rng());
  for (let i = 0; i < articles; i++) {
    trainer.learn(Array.from({ length: 50 }, (_, j) => sentences[(50 * i + j) % sentences.length]));
  }
  return trainer;
}

// LiB, section 5: units p .. z have the ranks 0 .. 10.
describe("a rank moves by a share of itself", () => {
  const letters = [..."pqrstuvwxyz"];
  const moved = (unit: string, step: 1 | -1): string => {
    const lexicon = new RankedLexicon(letters);
    moveByShare(lexicon, unit, step, 0.1);
    return lexicon.units.join("");
  };

  test.each([
    ["z", -1, "pqrstuvwzxy"],
    ["p", -1, "pqrstuvwxyz"],
    ["y", 1, "pqrstuvwxzy"],
    ["z", 1, "pqrstuvwxy"],
  ] as const)("%s by %i", (unit, step, expected) => {
    expect(moved(unit, step)).toBe(expected);
  });
});

test("a symbol is a unit at once, for good when it is seen with other neighbors", () => {
  const trainer = new LibTrainer({ inRate: 0, outRate: 0 }, rng());
  trainer.learn(["ab"]);
  expect(trainer.lexicon.units).toEqual(["a", "b"]);
  expect(trainer.finish()).toEqual([]);
  trainer.learn(["ba"]);
  expect(trainer.finish().toSorted()).toEqual(["a", "b"]);
});

test("what stays on probation for `life` articles is forgotten", () => {
  const trainer = new LibTrainer({ inRate: 0, life: 2 }, rng());
  trainer.learn(["a"]);
  expect(trainer.lexicon.has("a")).toBe(true);
  trainer.learn(["b"]);
  expect(trainer.lexicon.has("a")).toBe(false);
});

test("units of several words; fewer tokens than words on talk that it has not read", () => {
  const sentences = talk(1200, rng());
  const [read, fresh] = [sentences.slice(0, 1000), sentences.slice(1000)];
  const tokenizer = createLibTokenizer(train(read, 200).finish());
  const ids = fresh.flatMap((sentence) => [...tokenizer.encode(sentence)]);
  const words = fresh.flatMap((sentence) => sentence.split(/(?<= )/));
  const letters = fresh.join("").length;
  expect(tokenizer.units.some((unit) => unit.trim().includes(" "))).toBe(true);
  expect(ids.length).toBeLessThan(0.7 * words.length);
  expect(unigramLoss(ids, letters).natsPerSymbol).toBeLessThan(
    unigramLoss(words, letters).natsPerSymbol,
  );
});

test("learning in two halves is learning at once, and a seed says all", () => {
  const sentences = talk(300, rng());
  const once = train(sentences, 20);
  const halves = train(sentences, 10);
  for (let i = 10; i < 20; i++) {
    halves.learn(Array.from({ length: 50 }, (_, j) => sentences[(50 * i + j) % 300]));
  }
  expect(halves.lexicon.units).toEqual(once.lexicon.units);
});

test("no unit is longer than asked for", () => {
  const units = train(talk(300, rng()), 30, { maxUnitLength: 6 }).lexicon.units;
  expect(Math.max(...units.map((unit) => unit.length))).toBe(6);
});

test("the lexicon agrees with itself after every article", () => {
  const sentences = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "é", "😀"), maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(sentences, { maxLength: 6 }), (articles) => {
      const trainer = new LibTrainer({ outRate: 0.3, life: 2 }, rng());
      for (const article of articles) {
        trainer.learn(article);
        const { units } = trainer.lexicon;
        expect(new Set(units).size).toBe(units.length);
        units.forEach((unit, rank) => {
          expect(trainer.lexicon.rank(unit)).toBe(rank);
          expect(trainer.lexicon.match([...unit], 0).longest).toBe([...unit].length);
        });
      }
    }),
    { numRuns: 50 },
  );
});

const create = (options: LibOptions) => () => new LibTrainer(options, rng());

test("settings out of range", () => {
  expect(create({ inRate: 2 })).toThrow("LibTrainer: inRate must be in [0, 1], got 2");
  expect(create({ life: 0 })).toThrow("LibTrainer: life must be at least 1, got 0");
});
