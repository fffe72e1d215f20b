/** Drafts what followed the last tokens where they stood before. */
import { createRng } from "@veridraft/core-probs";
import { createPromptLookup } from "@veridraft/spec-decoding";

const words = "the cat sat on the mat and the cat sat".split(" ");
const vocabulary = [...new Set(words)];
const ids = words.map((word) => vocabulary.indexOf(word));

const drafter = createPromptLookup({ ngram: { min: 1, max: 3 } });
const tree = await drafter.propose({ ids, budget: 4, key: createRng(1) });
console.log(`${words.join(" ")} ...`);
tree.tokens.forEach((id, i) =>
  console.log(`  ${vocabulary[id]} (confidence ${tree.confidences[i].toFixed(2)})`),
);
// -> the cat sat on the mat and the cat sat ...
// ->   on (confidence 0.75)
// ->   the (confidence 0.80)
// ->   mat (confidence 0.83)
// ->   and (confidence 0.86)
