import { createRng } from "@veridraft/core-probs";
import { drawAddition, drawLangGame, langGameKinds } from "@veridraft/tokenization/systems";
import { expect, test } from "vitest";

const words =
  "a at go sea tea book tree letter banana kitchen window strawberry people river green".split(" ");
const key = createRng(1);

/** Words among the options that answer what the prompt asks. */
function answersTo({ prompt, options }: { prompt: string; options: readonly string[] }): string[] {
  const [, part = ""] = /"(\w+)"/.exec(prompt) ?? [];
  const values = options.map((word) => {
    if (prompt.includes("longest")) return word.length;
    if (prompt.includes("shortest")) return -word.length;
    if (prompt.includes("most letters")) return word.split(part).length;
    if (prompt.includes("starts")) return Number(word.startsWith(part));
    return Number(prompt.includes("ends") ? word.endsWith(part) : word.includes(part));
  });
  return options.filter((_, i) => values[i] === Math.max(...values));
}

test.each(langGameKinds)("%s: four words of which one is right, at any place", (kind) => {
  const places = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const question = drawLangGame(words, key.at(i, "sample"), kind);
    expect(question.kind).toBe(kind);
    expect(new Set(question.options).size).toBe(4);
    expect(answersTo(question)).toEqual([question.answer]);
    expect(question.prompt.endsWith(` [ ${question.options.join(", ")}]. Answer:`)).toBe(true);
    places.add(question.options.indexOf(question.answer));
  }
  expect([...places].toSorted()).toEqual([0, 1, 2, 3]);
});

test("all kinds are drawn", () => {
  const kinds = Array.from({ length: 100 }, (_, i) => drawLangGame(words, key.at(i, "draft")).kind);
  expect(new Set(kinds).size).toBe(langGameKinds.length);
});

test("sums are written backwards", () => {
  for (let i = 0; i < 100; i++) {
    const { prompt, answer } = drawAddition(3, key.at(i, "sample"));
    const [, left, right] = /^\$(\d{3})\+(\d{1,3})=$/.exec(prompt) ?? [];
    expect([...answer].toReversed().join("")).toBe(String(Number(left) + Number(right)));
  }
});

test("words that give no question", () => {
  expect(() => drawLangGame(["book", "tree"], key.at(0, "sample"), "longest")).toThrow(
    'drawLangGame: 2 words give no question of the kind "longest"',
  );
});
