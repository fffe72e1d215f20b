/** A draft model whose tokens are letters drafts for a target whose tokens are letters and words; the law of the text stays the target's. */
import { createRng } from "@veridraft/core-probs";
import { exactLaw, tableModel } from "@veridraft/core-probs/testing";
import {
  createDraftModel,
  crossVocabularyModel,
  generate,
  mapVocabulary,
} from "@veridraft/spec-decoding";

const encode = (pieces: readonly string[]): Uint8Array[] =>
  pieces.map((piece) => new TextEncoder().encode(piece));
const map = mapVocabulary(encode(["a", "b", "abba"]), encode(["b", "a", "?"]), 2);
console.log(`abba is spelled ${map.spellings[2].join(" ")}, its twin is ${map.twins[2]}`);

const target = tableModel([
  [0.2, 0.5, 0.3],
  [0.6, 0.3, 0.1],
  [0.1, 0.1, 0.8],
]);
const letters = tableModel([
  [0.3, 0.6, 0.1],
  [0.7, 0.2, 0.1],
  [0.4, 0.4, 0.2],
]);
const sampling = { temperature: 1 };
const coupling = "optimal";

async function run(key: ReturnType<typeof createRng>, maxTokens: number) {
  const drafter = await createDraftModel(crossVocabularyModel(letters, map), {
    sampling,
    coupling,
  });
  const generation = generate(target, [0], { key, drafter, sampling, coupling, maxTokens });
  let next = await generation.next();
  while (!next.done) next = await generation.next();
  return next.value;
}

const { statistics } = await run(createRng(1), 1000);
console.log(`${statistics.meanAcceptanceLength.toFixed(2)} tokens a forward`);
const law = await exactLaw(async (key) => (await run(key, 3)).ids);
console.log(`P(b, a, abba) = ${law.get("1,0,2")?.toFixed(6)}, by the table ${0.5 * 0.6 * 0.3}`);
// -> abba is spelled 1 0 0 1, its twin is -1
// -> 1.85 tokens a forward
// -> P(b, a, abba) = 0.090000, by the table 0.09
