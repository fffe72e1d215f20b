import { createByteTrie } from "@veridraft/tokenization";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { piecesOf, smallTokenizer } from "./vocabularies.ts";

const merges = ["a b", "ab c", "b c", "a bc", "c c"];
const tokenizer = smallTokenizer(merges, ["<end>"]);
const trie = createByteTrie(tokenizer);

test("control tokens are not in it; tokens come before those that continue them", () => {
  expect(trie.ids.length).toBe(tokenizer.vocabSize - 1);
  const node = trie.find(Buffer.from("a"));
  expect(node && [...trie.ids.subarray(node.start, node.end)].map(tokenizer.piece)).toEqual([
    "a",
    "ab",
    "abc",
  ]);
  expect(node && trie.endOfWhole(node) - node.start).toBe(1);
  expect(trie.find(Buffer.from("ac"))).toBeUndefined();
  expect(trie.root).toEqual({ start: 0, end: trie.ids.length, depth: 0 });
});

test("tokens of equal bytes end at one node", () => {
  const pieces = [...piecesOf(["a b"]), "ab"];
  const twice = createByteTrie(smallTokenizer(["a b"], [], { pieces }));
  const node = twice.find(Buffer.from("ab"));
  expect(node && [...twice.ids.subarray(node.start, twice.endOfWhole(node))]).toEqual([256, 257]);
});

test("masses below the children of a node are sums over tokens", () => {
  const prefixes = fc.string({ unit: fc.constantFrom("a", "b", "c", "x"), maxLength: 3 });
  const laws = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
    minLength: tokenizer.vocabSize - 3, // a law may be narrower than the vocabulary
    maxLength: tokenizer.vocabSize,
  });
  fc.assert(
    fc.property(prefixes, laws, (prefix, probs) => {
      const expected = new Float64Array(256);
      let below = 0;
      for (let id = 0; id < Math.min(probs.length, tokenizer.vocabSize - 1); id++) {
        const bytes = tokenizer.tokenBytes(id);
        if (!Buffer.from(bytes).toString("latin1").startsWith(prefix)) continue;
        below += probs[id];
        if (bytes.length > prefix.length) expected[bytes[prefix.length]] += 2 * probs[id];
      }
      const node = trie.find(Buffer.from(prefix));
      const masses = new Float64Array(256);
      if (node) trie.addMasses(node, probs, 2, masses);
      masses.forEach((mass, byte) => expect(mass).toBeCloseTo(expected[byte], 9));
      expect(node ? trie.mass(node.start, node.end, probs) : 0).toBeCloseTo(below, 9);
    }),
  );
});
