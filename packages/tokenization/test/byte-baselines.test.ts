import { healedByteLaw, naiveByteLaw } from "@veridraft/tokenization/bytes";
import { expect, test } from "vitest";
import { type ByteToy, healingToy, markovToy } from "./byte-models.ts";

const [A, B] = [0x41, 0x42];
const prompt = ({ tokenizer, bos }: ByteToy, text: string) => [bos, ...tokenizer.encode(text)];

// Byte-probs, section 5: the exact law after each text is A .4, B .6.
test.each([
  ["A", 0],
  ["BA", 0],
  ["AAA", 0],
  ["AA", 0.4],
])("after %s the first token begins with A with probability %f; healed .4", async (text, naive) => {
  const { model, trie } = markovToy;
  const ids = prompt(markovToy, text);
  expect((await naiveByteLaw(model, trie, ids))[A]).toBeCloseTo(naive, 6);
  const healed = await healedByteLaw(model, trie, ids);
  expect([healed[A], healed[B]]).toEqual([expect.closeTo(0.4, 6), expect.closeTo(0.6, 6)]);
});

test("healing fails where another cut explains the text: exact is c .6, a .4", async () => {
  const { model, trie } = healingToy;
  const ids = prompt(healingToy, "ab");
  expect((await naiveByteLaw(model, trie, ids))[0x61]).toBeCloseTo(1, 6);
  expect((await healedByteLaw(model, trie, ids))[0x61]).toBeCloseTo(1, 6);
});

test("errors", async () => {
  const { model, trie, bos } = markovToy;
  await expect(naiveByteLaw(model, trie, [])).rejects.toThrow(
    "naiveByteLaw: needs at least 1 id, got 0",
  );
  await expect(healedByteLaw(model, trie, [bos])).rejects.toThrow(
    "healedByteLaw: needs at least 2 ids that end with text, got 257",
  );
  await expect(healedByteLaw(model, trie, [A, bos])).rejects.toThrow(
    "healedByteLaw: needs at least 2 ids that end with text, got 65 257",
  );
});
