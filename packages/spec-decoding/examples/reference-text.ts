/** Drafts an edited text from the text that is to be edited, and finds its place again after each change. */
import { createRng } from "@veridraft/core-probs";
import { createReferenceText } from "@veridraft/spec-decoding";

const before = "the quick brown fox jumps over the lazy dog".split(" ");
const after = "the quick red fox jumps over a very lazy dog".split(" ");
const vocabulary = [...new Set([...before, ...after])];
const encode = (words: readonly string[]): number[] =>
  words.map((word) => vocabulary.indexOf(word));

const drafter = createReferenceText(encode(before));
let ids = encode(["dog", "the"]);
for (let forwards = 1; ids.length <= after.length; forwards++) {
  const { tokens } = await drafter.propose({ ids, budget: 4, key: createRng(1) });
  const drafted = Array.from(tokens, (id) => vocabulary[id]);
  let accepted = 0;
  while (accepted < drafted.length && drafted[accepted] === after[ids.length - 1 + accepted]) {
    accepted++;
  }
  ids = encode(["dog", ...after.slice(0, ids.length + accepted)]);
  console.log(`forward ${forwards}: ${accepted} accepted of "${drafted.join(" ")}"`);
}
// -> forward 1: 1 accepted of "quick brown fox jumps"
// -> forward 2: 0 accepted of ""
// -> forward 3: 2 accepted of "jumps over the lazy"
// -> forward 4: 0 accepted of ""
// -> forward 5: 0 accepted of ""
// -> forward 6: 1 accepted of "dog"
