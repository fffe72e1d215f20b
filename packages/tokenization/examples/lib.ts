/** A lexicon of parts of words, words and phrases from talk as to a child: fewer tokens than words. */
import { createRng } from "@veridraft/core-probs";
import { createLibTokenizer, LibTrainer } from "@veridraft/tokenization/systems";

const rng = createRng(1).at(0, "sample");
const pick = (texts: readonly string[]): string => texts[rng.categorical(texts.map(() => 1))];
const sentence = (): string =>
  pick(["do you want to ", "can you ", "let's ", "you have to "]) +
  pick(["see ", "put ", "find ", "open "]) +
  pick(["the ", "your ", "that little "]) +
  pick(["doggie ", "book ", "ball ", "lady ", "hat "]);

const trainer = new LibTrainer({}, createRng(1).at(0, "draft"));
for (let article = 0; article < 100; article++) trainer.learn(Array.from({ length: 50 }, sentence));
const tokenizer = createLibTokenizer(trainer.finish());

const fresh = Array.from({ length: 100 }, sentence);
const encoded = fresh.map((text) => tokenizer.encode(text));
const words = fresh.reduce((sum, text) => sum + text.trim().split(" ").length, 0);
const tokens = encoded.reduce((sum, ids) => sum + ids.length, 0);
console.log(`${words} words, ${tokens} tokens of ${tokenizer.units.length} units`);
console.log(Array.from(encoded[0], (id) => tokenizer.decode([id]).replaceAll(" ", "_")).join("|"));
// -> 592 words, 201 tokens of 125 units
// -> let's_put_your|_doggie_
