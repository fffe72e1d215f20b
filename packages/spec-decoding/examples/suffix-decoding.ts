/** Drafts what most often followed the suffix, in past texts, as far as it is likely. */
import { createRng } from "@veridraft/core-probs";
import { createSuffixDecoding, SuffixStore } from "@veridraft/spec-decoding";

const encode = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));
const store = new SuffixStore();
for (const name of ["Ada", "Alan", "Ada", "Grace"]) store.add(encode(`Dear ${name}, thank you.`));

for (const minTokenProb of [0.1, 0.6]) {
  const drafter = createSuffixDecoding(store, { maxSpecFactor: 3, minTokenProb });
  const context = { ids: encode("Dear "), budget: 16, key: createRng(1) };
  const { tokens } = await drafter.propose(context);
  console.log(`at least ${minTokenProb}: "Dear " -> "${String.fromCharCode(...tokens)}"`);
}
// -> at least 0.1: "Dear " -> "Ada, thank you."
// -> at least 0.6: "Dear " -> "A"
