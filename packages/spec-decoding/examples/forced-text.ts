/** A grammar knows what must come: after "{" always `"name":`. It is drafted with certainty, the model says the rest. */
import { createRng } from "@veridraft/core-probs";
import { createForcedText } from "@veridraft/spec-decoding";

const vocabulary = ["{", '"name"', ":", '"Ada"', "}"];
const encode = (pieces: readonly string[]): number[] =>
  pieces.map((piece) => vocabulary.indexOf(piece));
const drafter = createForcedText((ids) =>
  vocabulary[ids[ids.length - 1]] === "{" ? encode(['"name"', ":"]) : [],
);
for (const text of [["{"], ["{", '"name"', ":"]]) {
  const { tokens } = await drafter.propose({ ids: encode(text), budget: 4, key: createRng(1) });
  const drafted = Array.from(tokens, (id) => vocabulary[id]).join("");
  console.log(`${text.join("")} must go on with: ${drafted || "anything"}`);
}
// -> { must go on with: "name":
// -> {"name": must go on with: anything
